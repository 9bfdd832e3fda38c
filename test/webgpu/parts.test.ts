import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { cutWindow } from '../../gpu-worker/tensor/window.ts';
import { openVae } from '../parity/compute/vae.ts';
import { openCase, RECORDED_SET } from '../support/recorded-case.ts';
import { runNetwork } from '../support/run-network.ts';

/** Parts of recorded cases whose whole a software renderer would take minutes for. */

test('real-esrgan: a corner of the recorded picture is as on the CPU, which agrees with the record', async () => {
  const { tensor } = await openCase('x4plus', join(dirname(RECORDED_SET), 'real-esrgan'));
  const corner = cutWindow(await tensor('input'), { top: 0, left: 0, height: 5, width: 7 });
  const [actual, expected] = await Promise.all(
    (['webgpu', 'cpu'] as const).map(async (device) => {
      const resolver = await loadSuperResolver({ model: 'real-esrgan', device });
      const output = await runNetwork(resolver, corner);
      await resolver.release();
      return output;
    }),
  );
  expect(largestDifference(actual!, expected!)).toBeLessThan(2e-4); // the recorded tolerance
});

test('the stage of the autoencoder that attends, in exact tiles: statistics and result are graphs of their own', async () => {
  const latent = await (await openCase('vae_decode_8x8')).tensor('latent');
  const stagesOn = async (device: Device) => (await openVae(RECORDED_SET, { device })).decoderStages(() => true);
  const first = await (await stagesOn('cpu'))[0]!.openOutput();
  const tile = await first.run({ tile: latent, norms: [] });
  const [actual, expected] = await Promise.all(
    (['webgpu', 'cpu'] as const).map(async (device) => {
      const stage = (await stagesOn(device)).find(({ attends }) => attends)!;
      const statistics = await stage.openNorm(0);
      const norm = await statistics.run({ tile, core: [1, 2, 7, 8], norms: [] });
      const result = await stage.openOutput();
      return { norm, output: await result.run({ tile, norms: [norm], whole: tile }) };
    }),
  );
  expect(largestDifference(actual!.norm, expected!.norm)).toBeLessThan(1e-5);
  expect(largestDifference(actual!.output, expected!.output)).toBeLessThan(2e-4); // as recorded of the whole
});

function largestDifference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b.data[index]!)), 0);
}
