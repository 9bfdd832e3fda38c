import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { maniqaMetric } from '../../../../evaluation/metrics/maniqa.ts';
import { type Crop, drawnCrops, gridCrops } from '../../../../evaluation/metrics/maniqa-crops.ts';
import type { PictureMetric } from '../../../../evaluation/metrics/metric.ts';
import { createNumpyRandom } from '../../../../evaluation/metrics/numpy-random.ts';
import { PROTOCOLS, withDrawnCrops } from '../../../../evaluation/metrics/protocol.ts';
import { openCase } from '../../../support/recorded-case.ts';
import { noise } from '../../../support/sample-images.ts';

const FOLDER = fileURLToPath(new URL('../../../fixtures/metrics/maniqa/', import.meta.url));
const pair = z.tuple([z.number(), z.number()]);
const parametersSchema = z.object({ tile: pair, crops: z.array(pair) });

let size: [number, number];
let recorded: Crop[];
beforeAll(async () => {
  const { tile, crops } = parametersSchema.parse((await openCase('score_random_crops', FOLDER)).parameters);
  size = tile;
  recorded = crops.map(([x, y]) => ({ x, y }));
});

test('the 10,000th number of MT19937 is that of the C++ standard', () => {
  const random = createNumpyRandom(5489);
  for (let index = 1; index < 10_000; index++) random.below(2 ** 32);
  expect(random.below(2 ** 32)).toBe(4_123_659_995);
});

test('one number of one draws nothing', () => {
  const [one, other] = [createNumpyRandom(7), createNumpyRandom(7)];
  expect(one.below(1)).toBe(0);
  expect(one.below(1000)).toBe(other.below(1000));
});

test('crops are drawn as NumPy drew those of the recorded case, and with another seed otherwise', () => {
  expect(drawnCrops(...size, 123)).toEqual(recorded);
  expect(drawnCrops(...size, 124)).not.toEqual(recorded);
});

test.each([
  [225, 225],
  [1024, 226],
])('crops of %i×%i lie in the picture', (width, height) => {
  for (const { x, y } of drawnCrops(width, height, 1)) {
    expect(x >= 0 && x <= width - 224 && y >= 0 && y <= height - 224, `${x}, ${y}`).toBe(true);
  }
});

test('with a seed the metric looks at the drawn crops, of each picture anew, and says so', async () => {
  const protocol = withDrawnCrops(PROTOCOLS.paper, 123);
  expect(protocol.about).toBe(`${PROTOCOLS.paper.about}; MANIQA on 20 crops that seed 123 draws, of each picture anew`);
  const files = [join(FOLDER, 'checkpoints/MANIQA_PIPAL-ae6d356b.pth')];
  const picture = { width: 240, height: 230, channels: 3, data: noise(3 * 240 * 230) } as const;
  const scores: (number | null)[] = [];
  for (const [used, times] of [[protocol, 2] as const, [PROTOCOLS.paper, 1] as const]) {
    const metric = (await maniqaMetric.open({ files, device: 'cpu', protocol: used })) as PictureMetric;
    for (let time = 0; time < times; time++) scores.push(await metric.measure(picture, picture));
    await metric.release();
  }
  expect(scores[1]).toBe(scores[0]);
  expect(scores[2]).not.toBe(scores[0]);
  expect(drawnCrops(240, 230, 123)).not.toEqual(gridCrops(240, 230));
});
