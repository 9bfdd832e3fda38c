import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createDenoiser } from '../../../../../gpu-worker/diffusion/denoiser.ts';
import { timestepSinusoids } from '../../../../../gpu-worker/diffusion/timestep-rows.ts';
import { stemGraph } from '../../../../../gpu-worker/graphs/control-stem.ts';
import { controlledUnet } from '../../../../../gpu-worker/graphs/controlled-unet.ts';
import type { Graph } from '../../../../../gpu-worker/graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../../../../gpu-worker/graphs/unet-conditions.ts';
import type { UnetConfig } from '../../../../../gpu-worker/graphs/unet-layout.ts';
import { SEESR_DENOISER, seesrDenoiser } from '../../../../../gpu-worker/methods/seesr/denoiser-config.ts';
import { compileModel } from '../../../../../gpu-worker/runtime/compile.ts';
import type { Tensor } from '../../../../../gpu-worker/tensor/tensor.ts';
import { elementCount } from '../../../../../gpu-worker/tensor/tensor.ts';

const graphsOf = (config: typeof SEESR_DENOISER) => ({
  context: contextGraph(config),
  time: timeGraph(config),
  stem: stemGraph(config.controlNet),
  denoiser: controlledUnet(config),
});

test('the full-size graphs take exactly the tensors of the published files', async () => {
  const table = await readFile(new URL('../../../../fixtures/seesr-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((line) => line.split('\t'));
  const published = rows.flatMap(([file, name, shape]) => {
    const net = file?.match(/^seesr\/(unet|controlnet)\//)?.[1];
    return net ? [`${net}.${name} ${shape}`] : [];
  });
  expect(published).toHaveLength(1102 + 522);
  const taken = Object.values(graphsOf(SEESR_DENOISER)).flatMap(({ weights }) => {
    return [...weights].map(([name, shape]) => `${name} [${shape.join(', ')}]`);
  });
  expect(taken.sort()).toEqual(published.sort());
});

/** Numbers that repeat: different ones for each seed, of about the size of trained weights. */
function numbers(shape: readonly number[], seed: number, size = 1): Tensor {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => size * Math.sin(12.9898 * i + seed));
  return { data, shape };
}

async function createRandomDenoiser(config: typeof SEESR_DENOISER) {
  const compile = (graph: Graph) =>
    compileModel(graph, async (name) => {
      const shape = graph.weights.get(name)!;
      const fanIn = elementCount(shape.slice(1));
      return numbers(shape, name.length, 1 / Math.sqrt(fanIn)).data as Float32Array<ArrayBuffer>;
    });
  const { context, time, stem, denoiser } = graphsOf(config);
  const models = {
    context: await compile(context),
    time: await compile(time),
    stem: await compile(stem),
    denoiser: await compile(denoiser),
  };
  return await createDenoiser({ models, timeChannels: config.unet.block_out_channels[0]!, device: 'cpu' });
}

const ENCODER = {
  in_channels: 4,
  layers_per_block: 1,
  cross_attention_dim: 6,
  norm_num_groups: 2,
  norm_eps: 1e-5,
};
const CONFIGS: Record<string, UnetConfig> = {
  'one number of heads, three blocks': {
    ...ENCODER,
    block_out_channels: [8, 16, 8],
    attention_head_dim: 2,
    down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
    out_channels: 4,
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
  },
  'the first block without attention, two blocks, three layers': {
    ...ENCODER,
    layers_per_block: 3,
    block_out_channels: [4, 12],
    attention_head_dim: [2, 3],
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D'],
    out_channels: 3,
    up_block_types: ['CrossAttnUpBlock2D', 'UpBlock2D'],
  },
};

test.each(Object.entries(CONFIGS))('%s: any size, and one latent serves two texts', async (_, unet) => {
  const denoiser = await createRandomDenoiser(
    seesrDenoiser({
      unet,
      controlNet: { ...unet, conditioning_embedding_out_channels: [4, 6, 8, 10] },
      imageContextSize: 10,
    }),
  );
  const text = numbers([2, 7, unet.cross_attention_dim], 1);
  const imageEmbeds = numbers([1, 5, 10], 2);
  const conditioning = await denoiser.prepare({ contexts: { text, image_embeds: imageEmbeds }, timesteps: [981] });
  for (const [height, width] of [
    [8, 8],
    [5, 7],
    [1, 1],
  ] as const) {
    const stem = await denoiser.stem(numbers([1, 3, 8 * height, 8 * width], 3));
    expect(stem.shape).toEqual([1, unet.block_out_channels[0], height, width]);
    const latent = numbers([1, 4, height, width], 4);
    const twice = { data: Float32Array.of(...latent.data, ...latent.data), shape: [2, 4, height, width] };
    const input = { conditioning, stem, step: 0, conditioningScale: 1 };
    const shared = await denoiser.predict({ ...input, latent });
    const separate = await denoiser.predict({ ...input, latent: twice });
    expect(shared.shape).toEqual([2, unet.out_channels, height, width]);
    expect(shared.data.every(Number.isFinite)).toBe(true);
    const half = shared.data.length / 2;
    expect(shared.data.subarray(0, half)).not.toEqual(shared.data.subarray(half));
    // The same numbers, added up in blocks that may be cut in another way.
    const differences = shared.data.map((value, index) => Math.abs(value - separate.data[index]!));
    expect(Math.max(...differences)).toBeLessThan(1e-4);
  }
  await denoiser.release();
});

test('the sinusoids of a timestep: cosines first, frequencies from 1 down to 1/10000', () => {
  const { data, shape } = timestepSinusoids([0, 999], 320);
  expect(shape).toEqual([2, 320]);
  expect([...data.subarray(0, 320)]).toEqual([...Array(160).fill(1), ...Array(160).fill(0)]);
  const later = data.subarray(320);
  expect(later[0]).toBeCloseTo(Math.cos(999), 6);
  expect(later[160]).toBeCloseTo(Math.sin(999), 6);
  expect(later[159]).toBeCloseTo(Math.cos(999 * 10_000 ** (-159 / 160)), 6);
  expect(later[319]).toBeCloseTo(Math.sin(999 * 10_000 ** (-159 / 160)), 6);
});
