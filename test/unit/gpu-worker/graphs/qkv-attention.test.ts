import { expect, test } from 'vitest';
import { createGraphBuilder } from '../../../../gpu-worker/graphs/onnx.ts';
import { qkvAttention } from '../../../../gpu-worker/graphs/qkv-attention.ts';
import { compileModel } from '../../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';
import { elementCount } from '../../../../gpu-worker/tensor/tensor.ts';

const [CHANNELS, HEADS, POSITIONS] = [4, 2, 6];
const WIDTH = CHANNELS / HEADS;
const weightOf = (name: string, count: number) =>
  Float32Array.from(
    { length: count },
    (_, index) => Math.sin(1.7 * index + name.length) + (name === 'a.norm.weight' ? 1 : 0),
  );

/** The formulas, number by number. `input`: channel by channel. */
function expected(input: Float32Array): number[] {
  const w = Object.fromEntries(
    ['norm.weight', 'norm.bias', 'qkv.bias', 'proj_out.bias'].map((name) => [
      name,
      weightOf(`a.${name}`, 3 * CHANNELS),
    ]),
  );
  const [qkvWeight, outWeight] = [
    weightOf('a.qkv.weight', 3 * CHANNELS ** 2),
    weightOf('a.proj_out.weight', CHANNELS ** 2),
  ];
  const normal = input.map((value, index) => {
    const channel = Math.floor(index / POSITIONS);
    const group = [...input].filter((_, other) => Math.floor(other / POSITIONS / 2) === Math.floor(channel / 2));
    const mean = group.reduce((sum, one) => sum + one, 0) / group.length;
    const variance = group.reduce((sum, one) => sum + (one - mean) ** 2, 0) / group.length;
    return ((value - mean) / Math.sqrt(variance + 1e-5)) * w['norm.weight']![channel]! + w['norm.bias']![channel]!;
  });
  const times = (weight: Float32Array, bias: Float32Array, values: (channel: number) => number, row: number) => {
    let sum = bias[row]!;
    for (let channel = 0; channel < CHANNELS; channel++) sum += weight[row * CHANNELS + channel]! * values(channel);
    return sum;
  };
  const packed = (row: number, position: number) =>
    times(qkvWeight, w['qkv.bias']!, (channel) => normal[channel * POSITIONS + position]!, row);
  const part = (head: number, kind: 0 | 1 | 2, place: number, position: number) =>
    packed((head * 3 + kind) * WIDTH + place, position);
  const seen = (channel: number, position: number) => {
    const [head, place] = [Math.floor(channel / WIDTH), channel % WIDTH];
    const scores = Array.from({ length: POSITIONS }, (_, other) => {
      let score = 0;
      for (let at = 0; at < WIDTH; at++) score += part(head, 0, at, position) * part(head, 1, at, other);
      return Math.exp(score / Math.sqrt(WIDTH));
    });
    const total = scores.reduce((sum, score) => sum + score, 0);
    return scores.reduce((sum, score, other) => sum + (score / total) * part(head, 2, place, other), 0);
  };
  return [...input].map((value, index) => {
    const [channel, position] = [Math.floor(index / POSITIONS), index % POSITIONS];
    return value + times(outWeight, w['proj_out.bias']!, (from) => seen(from, position), channel);
  });
}

test('queries, keys and values of each head lie side by side; a batch is its pictures', async () => {
  const graph = createGraphBuilder('attention');
  const input = graph.input('input', ['batch', CHANNELS, 'height', 'width']);
  graph.output(
    'output',
    qkvAttention(graph, input, 'a', { channels: CHANNELS, heads: HEADS, groups: 2, epsilon: 1e-5 }),
  );
  const built = graph.build();
  const read = async (name: string) => weightOf(name, elementCount(built.weights.get(name)!));
  const session = await createSession(await compileModel(built, read), 'cpu');
  const pictures = [1, 2].map((seed) =>
    Float32Array.from({ length: CHANNELS * POSITIONS }, (_, index) => Math.cos(seed * index * 2.3 + seed)),
  );
  const data = Float32Array.from(pictures.flatMap((picture) => [...picture]));
  const { output } = await session.run({ input: { data, shape: [2, CHANNELS, 2, 3] } });
  await session.release();
  expect(output!.shape).toEqual([2, CHANNELS, 2, 3]);
  for (const [index, value] of pictures.flatMap(expected).entries()) expect(output!.data[index]).toBeCloseTo(value, 4);
});
