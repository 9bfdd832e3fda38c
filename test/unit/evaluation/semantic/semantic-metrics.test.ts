import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAveragePrecision } from '../../../../evaluation/semantic/average-precision.ts';
import { createPanopticQuality } from '../../../../evaluation/semantic/panoptic-quality.ts';
import {
  checkRuns,
  decodeCounts,
  encodeMask,
  overlapOf,
  polygonMask,
} from '../../../../evaluation/semantic/run-lengths.ts';
import { expectedOf, flatten, measureCase, type SemanticCase } from '../../../support/semantic-cases.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-semantic-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const recorded = new URL('../../../fixtures/semantic/semantic.json', import.meta.url);
const { cases } = JSON.parse(await readFile(recorded, 'utf8')) as { cases: SemanticCase[] };

async function write(name: string, value: object): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, JSON.stringify(value));
  return path;
}

// See fixtures/semantic/make_expected.py: crowds, ties, polygons and both kinds of runs, empty pictures, all sizes.
test.each(cases.map((one, index) => [index, one] as const))(
  "case %i: masks, AP, PQ and mIoU are pycocotools' and NumPy's",
  async (_, one) => {
    const [found, expected] = [flatten(await measureCase(one, write)), flatten(expectedOf(one))];
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [path, value] of expected) {
      // Doubles on both sides; sums in another order.
      if (value === null) expect(found.get(path), path).toBeNull();
      else expect(Math.abs(found.get(path)! - value), path).toBeLessThan(1e-9);
    }
  },
);

test('masks of runs, text and polygons', () => {
  // Counted by hand.
  const mask = encodeMask(4, 3, [0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0]);
  expect(mask.counts).toEqual([1, 1, 2, 2, 6]);
  expect(overlapOf(mask, polygonMask([0, 0, 4, 0, 4, 3, 0, 3], 4, 3))).toBe(3);
  expect(decodeCounts('1120O5')).toEqual([1, 1, 2, 1, 1, 6]);
  expect(() => checkRuns(4, 3, [1, 2])).toThrow('add up to 3');
  expect(() => decodeCounts('a€')).toThrow('damaged');
});

test('without objects there is no average, and a segment that is not described is refused', () => {
  const empty = createAveragePrecision('box', [1]);
  empty.add([], [{ category: 1, score: 1, box: [0, 0, 2, 2] }]);
  expect(empty.result()).toMatchObject({ ap: null, ap50: null, large: null });
  const quality = createPanopticQuality(new Map([[1, { isThing: true }]]));
  const one = { ids: Uint32Array.of(0, 4), segments: [{ id: 4, category: 1, crowd: false }] };
  expect(() => quality.add(one, { ids: Uint32Array.of(4, 5), segments: one.segments })).toThrow('Segment 5');
  expect(() => quality.add(one, { ids: Uint32Array.of(0, 0), segments: one.segments })).toThrow('no segment 4');
  quality.add(one, one);
  expect(quality.result()).toMatchObject({ all: { pq: 1, sq: 1, rq: 1 }, stuff: { pq: null } });
});
