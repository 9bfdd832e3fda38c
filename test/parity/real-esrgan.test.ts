import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadSuperResolver } from '../../gpu-worker/models/real-esrgan.ts';
import { openSafetensors } from '../../gpu-worker/weights/safetensors.ts';

/** Recorded from PyTorch; see the README beside it. */
const REFERENCE = fileURLToPath(new URL('../fixtures/real-esrgan/reference.safetensors', import.meta.url));
const TOLERANCE = 2e-4;

it.each([
  { output: 'x4plus', model: 'real-esrgan', denoise: undefined },
  { output: 'general', model: 'real-esrgan-fast', denoise: 1 },
  { output: 'general_wdn', model: 'real-esrgan-fast', denoise: 0 },
  { output: 'general_denoise_0.5', model: 'real-esrgan-fast', denoise: undefined },
] as const)('$output agrees with PyTorch', async ({ output, model, denoise }) => {
  await using reference = await openSafetensors(REFERENCE);
  const expected = await reference.read(output);
  const resolver = await loadSuperResolver({ model, denoise, device: 'cpu' });
  const actual = await resolver.upscale({ data: await reference.read('input'), shape: [1, 3, 33, 40] });
  await resolver.release();
  expect(actual.shape).toEqual([1, 3, 132, 160]);
  const difference = actual.data.reduce((most, value, index) => Math.max(most, Math.abs(value - expected[index]!)), 0);
  expect(difference).toBeLessThan(TOLERANCE);
});
