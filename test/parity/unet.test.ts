import { expect, test } from 'vitest';
import { createDenoiser } from '../../gpu-worker/diffusion/denoiser.ts';
import { stemGraph } from '../../gpu-worker/graphs/control-stem.ts';
import { controlledUnet } from '../../gpu-worker/graphs/controlled-unet.ts';
import { contextGraph, timeGraph } from '../../gpu-worker/graphs/unet-conditions.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { checkShapes } from '../../gpu-worker/weights/checkpoint.ts';
import { openCase, openSet, type RecordedCase } from '../support/recorded-case.ts';
import { computeUnet, conditionOf, openDenoiserFiles } from './compute/unet.ts';

const CASES = [...(await openSet()).values()].filter(({ id }) => id.startsWith('unet_'));

test('there are cases of several sizes, odd ones too', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(7);
});

test.each(CASES)('$id: $title', async (recorded) => {
  const outputs = await computeUnet(recorded);
  for (const name of recorded.outputNames) {
    expect(outputs[name]!.shape).toEqual(recorded.shape(name));
    await recorded.expectClose(name, outputs[name]!.data);
  }
});

test.each([
  { without: 'image attention', pattern: /image_attentions\.\d\.proj_out/ },
  { without: 'text attention', pattern: /\.attentions\.\d\.proj_out/ },
  { without: 'stem', pattern: /controlnet_cond_embedding\.conv_out/ },
  { without: 'ControlNet', pattern: /controlnet_(down_blocks|mid_block)/ },
  { without: 'time embedding', pattern: /time_emb_proj/ },
])('without $without the noise is another', async ({ pattern }) => {
  const recorded = await openCase('unet_8x8_t999');
  const { eps } = await computeUnet(recorded, {
    alter: (name, values) => (pattern.test(name) ? values.fill(0) : values),
  });
  const { passes, largestDifference } = await recorded.compare('eps', eps!.data);
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(0.1); // the tolerance is 6e-5
});

test('computed in fp16 it is close: 11 significant bits, about 300 roundings in a row', async () => {
  const recorded = await openCase('unet_13x9_t999');
  const outputs = await computeUnet(recorded, { flavor: { storage: 'float16', compute: 'float16' } });
  for (const name of recorded.outputNames) {
    const { passes, largestDifference } = await recorded.compare(name, outputs[name]!.data);
    const largest = outputs[name]!.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largestDifference / largest).toBeLessThan(2e-3); // 7e-4 was seen
    if (name === 'eps') expect(passes).toBe(false); // else nothing was computed in fp16
  }
});

test('fp16 that is only stored costs nothing: the numbers of this set have no more bits', async () => {
  const recorded = await openCase('unet_13x9_t999');
  const { eps } = await computeUnet(recorded, { flavor: { storage: 'float16', compute: 'float32' } });
  await recorded.expectClose('eps', eps!.data);
});

async function openDenoiser({ folder }: RecordedCase) {
  await using files = await openDenoiserFiles(folder);
  const { config, read } = files;
  const models = {
    context: await compileModel(contextGraph(config), read),
    time: await compileModel(timeGraph(config), read),
    stem: await compileModel(stemGraph(config.controlNet), read),
    denoiser: await compileModel(controlledUnet(config), read),
  };
  return await createDenoiser({ models, timeChannels: config.unet.block_out_channels[0]!, device: 'cpu' });
}

test('as a model: everything but the denoiser runs once for all steps', async () => {
  const recorded = await openCase('unet_8x8_t999');
  const denoiser = await openDenoiser(recorded);
  const text = await recorded.tensor('hidden');
  const latent = await recorded.tensor('latent');
  const conditioning = await denoiser.prepare({
    contexts: { text, image_embeds: await recorded.tensor('image_embeds') },
    timesteps: [999, 500, 1],
  });
  const stem = await denoiser.stem(await conditionOf(recorded));
  const input = { latent, conditioning, stem, conditioningScale: 1 };
  await recorded.expectClose('eps', (await denoiser.predict({ ...input, step: 0 })).data);
  const later = await denoiser.predict({ ...input, step: 2 });
  expect((await recorded.compare('eps', later.data)).passes).toBe(false);
  expect(denoiser.runs).toEqual({ context: 1, time: 1, stem: 1, denoiser: 2 });
  await expect(denoiser.predict({ ...input, step: 3 })).rejects.toThrow('step 3 is not one of the 3');

  const one = { data: latent.data.subarray(0, latent.data.length / 2), shape: [1, ...latent.shape.slice(1)] };
  const twice: Tensor = { data: Float32Array.of(...one.data, ...one.data), shape: latent.shape };
  const shared = await denoiser.predict({ ...input, latent: one, step: 0 });
  const separate = await denoiser.predict({ ...input, latent: twice, step: 0 });
  expect(shared.shape).toEqual(latent.shape);
  const difference = shared.data.reduce((most, value, i) => Math.max(most, Math.abs(value - separate.data[i]!)), 0);
  expect(difference).toBeLessThan(6e-5); // the recorded tolerance of eps
  await denoiser.release();
});

test('the graphs use every tensor of the checkpoints, and no other', async () => {
  await using files = await openDenoiserFiles(CASES[0]!.folder);
  const { config, unet, controlNet } = files;
  const graphs = [contextGraph(config), timeGraph(config), stemGraph(config.controlNet), controlledUnet(config)];
  const expected = graphs.flatMap(({ weights }) => [...weights]);
  for (const [net, checkpoint] of [
    ['unet', unet],
    ['controlnet', controlNet],
  ] as const) {
    const own = expected.filter(([name]) => name.startsWith(`${net}.`));
    const names = new Map(own.map(([name, shape]) => [name.slice(net.length + 1), shape]));
    expect(names.size).toBe(own.length); // no tensor in two graphs
    expect(() => checkShapes(names, checkpoint.tensors, net)).not.toThrow();
  }
});
