import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { BENCHES } from '../../bench/benches.ts';
import { type BenchResult, DOCUMENT, readResults, renderDocument } from '../../bench/report.ts';

test('docs/benchmarks.md follows from its results, so that no figure is edited by hand', async () => {
  expect(await readFile(DOCUMENT, 'utf8')).toBe(renderDocument(await readResults()));
});

test('every result that is kept is of a bench that there is, and every bench states its claim', async () => {
  for (const { name } of await readResults()) expect(Object.keys(BENCHES)).toContain(name);
  const document = await readFile(DOCUMENT, 'utf8');
  for (const [name, { claim }] of Object.entries(BENCHES)) {
    expect(claim).toMatch(/^[A-Z].{20,}\.$/);
    expect(document).toContain(`## ${name}\n\n${claim}\n`);
  }
});

test('a result is rendered with all its columns, its command, its machine, and its failures', () => {
  const document = renderDocument([RESULT]);
  expect(document).toContain('npm run bench -- scale --long --seed 3\n');
  expect(document).toContain(
    '2026-11-24, commit 0123456789ab with changes that were not committed · 5 min on A, 2 cores, 24 GB, Linux 6 x64 · Node 24.0.0, ONNX Runtime 1.30.0.',
  );
  expect(document).toContain('**Something broke in this run.**');
  expect(document).toContain(
    '**Waits of x \\| y**\n\n| case | s | share |\n| --- | ---: | ---: |\n| a\\|b \\<c> | 1.5 | 12 % |\n| two lines | 7 |  |\n\nOnce.\n',
  );
});

const RESULT: BenchResult = {
  name: 'scale',
  date: '2026-11-24T21:00:00.000Z',
  commit: '0123456789ab',
  modified: true,
  arguments: ['--seed', '3'],
  machine: {
    cpu: 'A',
    cores: 2,
    memoryGigabytes: 24,
    system: 'Linux 6 x64',
    node: '24.0.0',
    onnxRuntime: '1.30.0',
  },
  seconds: 290,
  broke: true,
  tables: [
    {
      title: 'Waits of x | y',
      rows: [
        { case: 'a|b <c>', s: 1.5, share: '12 %' },
        { case: 'two\nlines', s: 7 },
      ],
      note: 'Once.',
    },
  ],
};
