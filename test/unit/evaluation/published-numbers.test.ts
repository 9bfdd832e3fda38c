import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findPublished, notePublished, PUBLISHED_SETS } from '../../../evaluation/published-numbers.ts';
import { tableCsv, tableLatex, tableMarkdown } from '../../../evaluation/table-report.ts';
import { readLimits } from '../../../shared/configuration.ts';

const LIMITS = readLimits({});
let folder: string;
/** A truth for each side. */
const truths = new Map<number, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-published-'));
  for (const side of [512, 400]) {
    truths.set(side, join(folder, `${side}.png`));
    await sharp({ create: { width: side, height: side, channels: 3, background: 'gray' } })
      .png()
      .toFile(truths.get(side)!);
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function pairsOf(names: readonly string[], side = 512) {
  return names.map((name) => ({ name, truthPath: truths.get(side)!, inputPath: 'not read' }));
}

const number = (index: number) => String(index).padStart(3, '0');
const REALSR = ['Canon', 'Nikon'].flatMap((maker) =>
  Array.from({ length: 50 }, (_, index) => `${maker}_${number(index + 1)}_LR4`),
);
const DREALSR = [
  ...['Canon_10', 'DSC_0988', 'IMG_007', 'panasonic_10', 'P1160775'],
  ...Array.from({ length: 88 }, (_, index) => `sony_${index + 1}`),
].map((name) => `${name}_x1`);

test('a set is known by the number, names and size of its pictures', async () => {
  const div2k = pairsOf(Array.from({ length: 3000 }, (_, index) => `picture-${index}`));
  for (const [pairs, name] of [
    [pairsOf(REALSR), 'RealSR'],
    [pairsOf(DREALSR), 'DRealSR'],
    [div2k, 'DIV2K-Val'],
  ] as const) {
    expect((await findPublished(pairs, LIMITS))?.name).toBe(name);
  }
});

test.each([
  ['one picture less', () => pairsOf(REALSR.slice(1))],
  ['other names', () => pairsOf(REALSR.map((name) => name.replace('_LR4', '')))],
  // The photos of RealSR as they were taken have the same names and number.
  ['truths of another size', () => pairsOf(REALSR, 400)],
])('not known is a set with %s', async (_, pairs) => {
  expect(await findPublished(pairs(), LIMITS)).toBeUndefined();
});

test('every published row has all nine metrics of the table', () => {
  for (const { rows } of PUBLISHED_SETS) {
    for (const { means } of rows) {
      expect(Object.values(means).filter((value) => Number.isFinite(value))).toHaveLength(9);
    }
  }
});

test('published rows stand below the measured ones, say so, and take no rank', () => {
  const known = PUBLISHED_SETS.find(({ name }) => name === 'DRealSR')!;
  const rows = [
    { model: 'seesr', means: { psnr: 20, niqe: 9 } },
    { model: 'bicubic', means: { psnr: 10, niqe: 8 } },
  ];
  const sets = [{ name: 'mine', pairs: 93, rows, published: known.rows }];
  const markdown = tableMarkdown(sets, ['psnr', 'niqe', 'brisque'], [notePublished('mine', known)]);
  expect(markdown).toContain('| mine | seesr | **20.00** | <u>9.000</u> | – |');
  expect(markdown).toContain('| mine, published | SeeSR | 28.17 | 6.400 | – |');
  expect(markdown).toMatch(/mine is taken for DRealSR of the SeeSR paper .* StableSR, ResShift, SeeSR /);
  expect(tableCsv(sets, ['psnr', 'niqe']).split('\n')).toContain('"mine, published",SeeSR,28.17,6.4');
});

test('an underscore in the name of a set is one in LaTeX too', () => {
  const sets = [{ name: 'test_HR', pairs: 1, rows: [{ model: 'bicubic', means: { psnr: 10 } }] }];
  expect(tableLatex(sets, ['psnr'], [])).toContain(String.raw`test\_HR & bicubic & 10.00 \\`);
});
