import { expect, test } from 'vitest';
import { FULL_PRECISION } from '../../../gpu-worker/graphs/onnx.ts';
import { seesrNetworks } from '../../../gpu-worker/methods/seesr/networks.ts';
import { elementCount } from '../../../gpu-worker/tensor/tensor.ts';
import { randomSeesr } from '../../support/random-seesr.ts';

test('the networks of the published size share out every tensor of the published files', async () => {
  const networks = seesrNetworks(await randomSeesr(), FULL_PRECISION); // throws if one is missing, misshapen or left over
  const shapes = networks.flatMap(({ graph }) => [...graph.weights.values()]);
  expect(shapes).toHaveLength(1102 + 522 + 372 + 248 + 366);
  const parameters = shapes.map(elementCount).reduce((sum, count) => sum + count, 0);
  expect((parameters / 1e9).toFixed(2)).toBe('2.25'); // all that SeeSR calls
});

test('made-up weights are the same every time, of the size of trained ones, and differ from tensor to tensor', async () => {
  const { unet } = await randomSeesr();
  const name = 'down_blocks.0.attentions.0.proj_in.weight';
  const values = await unet.read(name);
  expect(values).toHaveLength(320 * 320);
  expect(await unet.read(name)).toEqual(values);
  expect(await unet.read(name.replace('in.weight', 'out.weight'))).not.toEqual(values);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  // Five times the scatter of the mean and variance of so many uniform numbers.
  expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(320 * values.length));
  expect(Math.abs(320 * variance - 1)).toBeLessThan(5 * Math.sqrt(0.8 / values.length));
  const norm = await unet.read('conv_norm_out.weight');
  expect(norm.every((value) => Math.abs(value - 1) < 0.04)).toBe(true);
});
