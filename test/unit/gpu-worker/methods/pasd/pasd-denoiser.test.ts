import { expect, test } from 'vitest';
import { stemGraph } from '../../../../../gpu-worker/graphs/control-stem.ts';
import type { Graph } from '../../../../../gpu-worker/graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../../../../gpu-worker/graphs/unet-conditions.ts';
import { textContext } from '../../../../../gpu-worker/graphs/unet-layout.ts';
import { pasdDenoiser } from '../../../../../gpu-worker/methods/pasd/denoiser-graph.ts';
import { compileModel } from '../../../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../../../gpu-worker/runtime/session.ts';
import { elementCount, type Tensor } from '../../../../../gpu-worker/tensor/tensor.ts';

/** Numbers that repeat: different ones for each seed. */
function numbers(shape: readonly number[], seed: number, size = 1): Tensor & { data: Float32Array<ArrayBuffer> } {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => size * Math.sin(12.9898 * i + seed));
  return { data, shape };
}

async function open(graph: Graph) {
  const read = async (name: string) => {
    const shape = graph.weights.get(name)!;
    return numbers(shape, name.length, 1 / Math.sqrt(elementCount(shape.slice(1)))).data;
  };
  return await createSession(await compileModel(graph, read), 'cpu');
}

const COMMON = { in_channels: 4, cross_attention_dim: 6, norm_num_groups: 2, norm_eps: 1e-5 };

test.each([
  { layers_per_block: 1, block_out_channels: [8, 16, 12, 12], attention_head_dim: [2, 4, 3, 3], attentions: 8 },
  { layers_per_block: 3, block_out_channels: [4, 8, 12], attention_head_dim: 2, attentions: 12 },
])('other layouts, of any size: $block_out_channels', async ({ attentions, ...sizes }) => {
  const last = sizes.block_out_channels.length - 1;
  const types = (kind: string) =>
    sizes.block_out_channels.map((_, block) => (block < last ? `CrossAttn${kind}` : kind));
  const controlNet = {
    ...COMMON,
    ...sizes,
    down_block_types: types('DownBlock2D'),
    conditioning_embedding_out_channels: [4, 6, 8, 10],
  };
  const unet = { ...controlNet, out_channels: 4, up_block_types: types('UpBlock2D').toReversed() };
  const config = { unet, controlNet, contexts: [textContext(COMMON.cross_attention_dim)] };
  const graphs = [
    contextGraph(config),
    timeGraph(config),
    stemGraph(controlNet),
    pasdDenoiser(config, { probes: true }),
  ];
  const sessions = await Promise.all(graphs.map(open));
  const [context, time, stem, denoiser] = sessions;
  const conditions = {
    ...(await context!.run({ text: numbers([2, 7, COMMON.cross_attention_dim], 1) })),
    ...(await time!.run({ sinusoids: numbers([1, sizes.block_out_channels[0]!], 2) })),
    conditioning_scale: numbers([1], 1),
  };
  for (const [height, width] of [
    [8, 8],
    [5, 7],
    [1, 1],
  ] as const) {
    const seen = await stem!.run({ condition: numbers([1, 3, 8 * height, 8 * width], 3) });
    const latent = numbers([1, 4, height, width], 4);
    const outputs = await denoiser!.run({ ...conditions, ...seen, latent });
    expect(outputs.eps!.shape).toEqual([2, 4, height, width]);
    expect(outputs.eps!.data.every(Number.isFinite)).toBe(true);
    expect(Object.keys(outputs).filter((name) => /^up\d_pixel\d$/.test(name))).toHaveLength(attentions);
  }
  for (const session of sessions) await session.release();
});
