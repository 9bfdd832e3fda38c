import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const ROOT = new URL('../../../', import.meta.url);
const textOf = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');

it.each(['docs/security.md', 'docs/dependencies.md'])('%s: every file that it names is there', (document) => {
  const named = [...textOf(document).matchAll(/`([\w.-]+\/[\w./-]+\.ts)`/g)].map((match) => match[1]!);
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
});

it('docs/security.md: every border names the tests that hold it', () => {
  const table = textOf('docs/security.md').split('## Borders')[1]!.split('## ')[0]!;
  const rows = table.split('\n').filter((line) => line.startsWith('|'));
  const borders = rows.slice(2);
  expect(borders.length).toBeGreaterThan(10);
  expect(borders.filter((row) => !/`test\//.test(row.split('|').at(-2)!))).toEqual([]);
});

it('ONNX Runtime is loaded by one file of the product, after its telemetry is off', () => {
  const sources = ['evaluation', 'gpu-worker', 'local'].flatMap((folder) => {
    const files = readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' });
    return files.filter((path) => path.endsWith('.ts')).map((path) => `${folder}/${path}`);
  });
  const importers = sources.filter((path) => textOf(path).includes("from 'onnxruntime-node'"));
  expect(importers).toEqual(['gpu-worker/runtime/session.ts']);
});
