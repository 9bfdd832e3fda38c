import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createTextEncoder } from '../../../../../gpu-worker/diffusion/text-encoder.ts';
import { clipText, type TextEncoderConfig } from '../../../../../gpu-worker/graphs/clip-text.ts';
import type { Graph } from '../../../../../gpu-worker/graphs/onnx.ts';
import { createTagger } from '../../../../../gpu-worker/methods/seesr/tagger.ts';
import { type TaggerConfig, taggerGraph } from '../../../../../gpu-worker/methods/seesr/tagger-graph.ts';
import { compileModel } from '../../../../../gpu-worker/runtime/compile.ts';
import { elementCount } from '../../../../../gpu-worker/tensor/tensor.ts';
import { RAM_SWIN_LARGE } from '../../../../../gpu-worker/weights/diffusers-configs.ts';

/** That of Stable Diffusion 2. */
const SD_2_TEXT: TextEncoderConfig = {
  vocab_size: 49408,
  max_position_embeddings: 77,
  hidden_size: 1024,
  num_hidden_layers: 23,
  num_attention_heads: 16,
  intermediate_size: 4096,
  layer_norm_eps: 1e-5,
  hidden_act: 'gelu',
};

test.each([
  { file: 'ram_swin_large_14m', graph: taggerGraph({ ...RAM_SWIN_LARGE, tags: 4585 }), count: 366 },
  { file: 'sd2/text_encoder', graph: clipText(SD_2_TEXT), count: 372 },
])('the full-size graph takes exactly the tensors of $file', async ({ file, graph, count }) => {
  const table = await readFile(new URL('../../../../fixtures/seesr-keys.tsv', import.meta.url), 'utf8');
  const rows = table.split('\n').map((line) => line.split('\t'));
  const published = rows.flatMap(([of, name, shape]) => (of?.startsWith(file) ? [`${name} ${shape}`] : []));
  expect(published).toHaveLength(count);
  const taken = [...graph.weights].map(([name, shape]) => `${name} [${shape.join(', ')}]`);
  expect(taken.sort()).toEqual(published.sort());
});

/** Weights that differ from each other, of about the size of trained ones. */
const compile = (graph: Graph) =>
  compileModel(graph, async (name) => {
    const shape = graph.weights.get(name)!;
    const size = 1 / Math.sqrt(elementCount(shape.slice(1)));
    return Float32Array.from({ length: elementCount(shape) }, (_, i) => size * Math.sin(12.9898 * i + name.length));
  });

const TINY: TaggerConfig = {
  image_size: 48,
  patch_size: 2,
  window_size: 6,
  embed_dim: 6,
  depths: [1, 3, 2],
  num_heads: [1, 2, 3],
  image_embed_dim: 10,
  tag_head: { hidden_size: 8, heads: 2, intermediate_size: 12, layers: 3 },
  tags: 7,
};

test.each([
  { sizes: 'three stages', config: TINY, tokens: 36 },
  { sizes: 'windows larger than the last stage', config: { ...TINY, image_size: 24, window_size: 6 }, tokens: 9 },
  { sizes: 'windows of an odd side', config: { ...TINY, image_size: 24, window_size: 3 }, tokens: 9 },
  { sizes: 'one stage', config: { ...TINY, depths: [2], num_heads: [2] }, tokens: 576 },
  { sizes: 'labels as wide as the head', config: { ...TINY, image_embed_dim: 8 }, tokens: 36 },
])('a tagger with $sizes', async ({ config, tokens }) => {
  const tagger = createTagger({ model: await compile(taggerGraph(config)), device: 'cpu' });
  const side = config.image_size;
  const data = Float32Array.from({ length: 3 * side ** 2 }, (_, index) => Math.sin(index));
  const { imageEmbeds, logits } = await tagger.describe({ data, shape: [1, 3, side, side] });
  await tagger.release();
  expect(imageEmbeds.shape).toEqual([1, 1 + tokens, config.image_embed_dim]);
  expect(logits).toHaveLength(config.tags);
  expect(logits.every(Number.isFinite)).toBe(true);
  // The first is the mean of the others: a mean and a linear layer may change places.
  const width = config.image_embed_dim;
  for (let column = 0; column < width; column++) {
    const values = Array.from({ length: tokens }, (_, token) => imageEmbeds.data[(1 + token) * width + column]!);
    expect(imageEmbeds.data[column]).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / tokens, 5);
  }
});

test('the two activations of text encoders are close, but not the same', async () => {
  const config = { ...SD_2_TEXT, vocab_size: 5, max_position_embeddings: 4, hidden_size: 8, num_attention_heads: 2 };
  const small = { ...config, num_hidden_layers: 1, intermediate_size: 6 };
  const encode = async (hidden_act: TextEncoderConfig['hidden_act']) => {
    const encoder = createTextEncoder({
      model: await compile(clipText({ ...small, hidden_act })),
      device: 'cpu',
    });
    const hidden = await encoder.encode([[0, 1, 2, 4]]);
    await encoder.release();
    return hidden;
  };
  const [exact, quick] = [await encode('gelu'), await encode('quick_gelu')];
  expect(exact.shape).toEqual([1, 4, 8]);
  const differences = exact.data.map((value, index) => Math.abs(value - quick.data[index]!));
  expect(Math.max(...differences)).toBeGreaterThan(1e-5);
  expect(Math.max(...differences)).toBeLessThan(0.1);
});
