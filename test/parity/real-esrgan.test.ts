import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { REAL_ESRGAN_X4PLUS, type RrdbnetConfig, rrdbnet } from '../../gpu-worker/graphs/rrdbnet.ts';
import { loadSuperResolver } from '../../gpu-worker/models/real-esrgan.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { openSafetensors } from '../../gpu-worker/weights/safetensors.ts';

/** Recorded from PyTorch; see the README beside it. */
const REFERENCE = fileURLToPath(new URL('../fixtures/real-esrgan/reference.safetensors', import.meta.url));
const X4PLUS = fileURLToPath(
  new URL('../../gpu-worker/weights/real-esrgan/realesrgan-x4plus.safetensors', import.meta.url),
);
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
  expect(largestDifference(actual.data, expected)).toBeLessThan(TOLERANCE);
});

it('notices a constant of the architecture that is slightly wrong', async () => {
  await using reference = await openSafetensors(REFERENCE);
  const expected = await reference.read('x4plus');
  const input = { data: await reference.read('input'), shape: [1, 3, 33, 40] };
  const output = await runX4plus({ ...REAL_ESRGAN_X4PLUS, residualScale: 0.201 }, input);
  expect(largestDifference(output.data, expected)).toBeGreaterThan(10 * TOLERANCE);
});

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

async function runX4plus(config: RrdbnetConfig, input: Tensor): Promise<Tensor> {
  await using checkpoint = await openSafetensors(X4PLUS);
  const session = await createSession(await compileModel(rrdbnet(config), checkpoint.read), 'cpu');
  const { output } = await session.run({ input });
  await session.release();
  return output!;
}
