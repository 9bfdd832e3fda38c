import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { engineOf } from '../../../gpu-worker/methods/engines.ts';
import { isShippedModel } from '../../../gpu-worker/model-store/installed.ts';
import { METHOD_IDS, METHODS } from '../../../shared/methods/registry.ts';

/**
 * Methods are known by name in their declarations, in their engines, and in the two lists of these. Nowhere else, but the
 * trainings of one know that one: biome.json says which.
 */

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ENGINES = 'gpu-worker/methods';
const DECLARATIONS = 'shared/methods';
/** The lists. */
const REGISTRY = `${DECLARATIONS}/registry.ts`;
const ENGINE_LIST = `${ENGINES}/engines.ts`;

const SOURCES = execFileSync('git', ['ls-files', '*.ts', '*.tsx', '*.mjs', ':!test'], { cwd: ROOT, encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((path) => !path.startsWith('training/'))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

/** Folders of engines, which have the name of a method or of the family of some. */
const FOLDERS = readdirSync(join(ROOT, ENGINES), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** The owner of a file of one method, or of one family. */
function ownerOf(path: string): string | undefined {
  const [, folder, declaration] =
    path.match(new RegExp(`^(?:${ENGINES}/([^/]+)/.*|${DECLARATIONS}/([^/]+)\\.ts)$`)) ?? [];
  return FOLDERS.find((name) => name === (folder ?? declaration));
}

test('no other file holds the id of a method', () => {
  // Without a hyphen it may also be a name of ours: then only where it is a text by itself.
  const patterns = METHOD_IDS.map((id) => (id.includes('-') ? `(?<![\\w./-])${id}(?![\\w.-])` : `(['"\`])${id}\\1`));
  const holders = SOURCES.filter(({ text }) => patterns.some((pattern) => new RegExp(pattern).test(text)));
  const foreign = holders.filter(({ path }) => ownerOf(path) === undefined).map(({ path }) => path);
  expect(foreign).toEqual([ENGINE_LIST]);
});

test('no other file imports a file of one method', () => {
  const found = SOURCES.map(({ path, text }) => {
    const imported = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, name = '']) =>
      normalize(join(dirname(path), name)),
    );
    const foreign = imported.filter((name) => ownerOf(name) !== undefined && ownerOf(name) !== ownerOf(path));
    return [path, foreign] as const;
  });
  const importers = found.filter(([, { length }]) => length > 0).map(([path]) => path);
  expect(importers.toSorted()).toEqual([ENGINE_LIST, REGISTRY].toSorted());
});

test('every method has an engine that builds it, unless its weights ship, and every folder belongs to a method', async () => {
  for (const { id, weights } of METHODS) {
    const { build } = await engineOf(id);
    expect(build === undefined, id).toBe(weights === 'shipped');
    expect(isShippedModel(id), id).toBe(weights === 'shipped');
  }
  const idle = FOLDERS.filter((folder) => !METHOD_IDS.some((id) => id === folder || id.startsWith(`${folder}-`)));
  expect(idle).toEqual([]);
});
