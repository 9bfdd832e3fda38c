import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { cutWindow } from '../../gpu-worker/tensor/window.ts';
import { exactVaeTiles } from '../../gpu-worker/vae/exact-vae-tiles.ts';
import { decodeTiled } from '../../gpu-worker/vae/tiled-vae.ts';
import { openVae } from '../parity/compute/vae.ts';
import { openCase, RECORDED_SET } from '../support/recorded-case.ts';

/** Parts of recorded cases whose whole a software renderer would take minutes for. */

test('real-esrgan: a corner of the recorded picture is as on the CPU, which agrees with the record', async () => {
  const { tensor } = await openCase('x4plus', join(dirname(dirname(RECORDED_SET)), 'real-esrgan'));
  const corner = cutWindow(await tensor('input'), { top: 0, left: 0, height: 5, width: 7 });
  const [actual, expected] = await Promise.all(
    (['webgpu', 'cpu'] as const).map(async (device) => {
      const resolver = await loadSuperResolver({ model: 'real-esrgan', device });
      const output = await resolver.upscale(corner);
      await resolver.release();
      return output;
    }),
  );
  expect(largestDifference(actual!, expected!)).toBeLessThan(2e-4); // the recorded tolerance
});

test('the autoencoder in exact tiles, whose stages are graphs of their own', async () => {
  const recorded = await openCase('vae_decode_8x8');
  const vae = await openVae(RECORDED_SET);
  const image = await decodeTiled(vae, await recorded.tensor('latent'), { tiling: exactVaeTiles(6) });
  await vae.release();
  await recorded.expectClose('image', image.data);
});

function largestDifference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b.data[index]!)), 0);
}
