import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { TensorProto_DataType as DataType, ModelProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { convolution } from '../../../../gpu-worker/graphs/convolution.ts';
import { attention, groupNorm } from '../../../../gpu-worker/graphs/layers.ts';
import { createGraphBuilder, type Flavor, type Graph, type GraphBuilder } from '../../../../gpu-worker/graphs/onnx.ts';
import { compileModel, writeModel } from '../../../../gpu-worker/runtime/compile.ts';
import { DEVICES, type DeviceFacts, type LoweringFacts } from '../../../../gpu-worker/runtime/devices.ts';
import { lowerModel } from '../../../../gpu-worker/runtime/lower-model.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';
import { elementCount, type Tensor } from '../../../../gpu-worker/tensor/tensor.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-lower-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** The CPU computes every operator right: with these facts it runs what another device would be given. */
const lowered = (facts: Partial<LoweringFacts> = {}): DeviceFacts => ({
  ...DEVICES.cpu,
  lowering: { ...DEVICES.webgpu.lowering, ...facts },
});

const numbers = (length: number, seed: number, most = 1) =>
  Float32Array.from({ length }, (_, index) => most * Math.sin(index ** 2 + seed));
const tensor = (shape: number[], seed: number, most?: number): Tensor => ({
  data: numbers(elementCount(shape), seed, most),
  shape,
});
const read = (graph: Graph) => async (name: string) => numbers(elementCount(graph.weights.get(name)!), name.length);

async function run(model: Uint8Array | string, inputs: Record<string, Tensor>, facts: DeviceFacts = DEVICES.cpu) {
  const session = await createSession(model, 'cpu', { facts });
  const outputs = await session.run(inputs);
  await session.release();
  return outputs;
}

function largestDifference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b.data[index]!)), 0);
}

function build(add: (graph: GraphBuilder) => void, flavor?: Flavor): Graph {
  const graph = createGraphBuilder('network', flavor && { flavor });
  add(graph);
  return graph.build();
}

const SIZES = { batch: 2, queries: 70, keys: 90, heads: 4, channels: 24 };
const BYTES_OF_QUERY = SIZES.batch * SIZES.heads * SIZES.keys * 4;

async function attentionModel(biasShape?: number[]) {
  const { batch, queries, keys, heads, channels } = SIZES;
  const graph = build((builder) => {
    const [query, key, value] = ['query', 'key', 'value'].map((name) =>
      builder.input(name, ['batch', `${name}_tokens`, channels]),
    ) as [string, string, string];
    const bias = biasShape && builder.input('bias', ['a', 'b', 'c', 'd']);
    builder.output('output', attention(builder, { query, key, value, heads, ...(bias && { bias }) }));
  });
  const inputs = {
    query: tensor([batch, queries, channels], 1, 3),
    key: tensor([batch, keys, channels], 2, 3),
    value: tensor([batch, keys, channels], 3),
    ...(biasShape && { bias: tensor(biasShape, 4, 2) }),
  };
  return { model: await compileModel(graph, read(graph)), inputs };
}

describe('attention from MatMul and Softmax', () => {
  const { batch, queries, keys, heads } = SIZES;
  test.each([
    { bias: undefined },
    { bias: [1, 1, queries, keys] },
    { bias: [1, heads, queries, keys] },
    { bias: [batch, heads, queries, keys] },
  ])('is that of the fused operator, for any number of queries at a time; bias $bias', async ({ bias }) => {
    const { model, inputs } = await attentionModel(bias);
    const { output: expected } = await run(model, inputs);
    for (const atATime of [0.5, 1, 23, 35, 69, 70, 10_000]) {
      const { output } = await run(model, inputs, lowered({ largestBufferBytes: atATime * BYTES_OF_QUERY }));
      expect(largestDifference(output!, expected!)).toBeLessThan(5e-6); // values up to 1, fp32
    }
  });

  test('of one query it is right too', async () => {
    const { model, inputs } = await attentionModel();
    const one = { ...inputs, query: tensor([batch, 1, SIZES.channels], 5) };
    const { output } = await run(model, one, lowered({ largestBufferBytes: 1 }));
    expect(largestDifference(output!, (await run(model, one)).output!)).toBeLessThan(5e-6);
  });

  test('no buffer of scores is larger than the device allows', async () => {
    const { model, inputs } = await attentionModel();
    const sizes = async (atATime: number) => {
      const facts = lowered({ largestBufferBytes: atATime * BYTES_OF_QUERY });
      return await outputBytes(lowerModel(model, facts), inputs, 'Softmax');
    };
    expect(await sizes(70)).toEqual([70 * BYTES_OF_QUERY]);
    expect(await sizes(30)).toEqual([30, 30, 10].map((count) => count * BYTES_OF_QUERY));
  });
});

/** Of every run of an operator. */
async function outputBytes(model: Uint8Array, inputs: Record<string, Tensor>, operator: string): Promise<number[]> {
  const profile = { enableProfiling: true, profileFilePrefix: join(directory, 'run') };
  const session = await InferenceSession.create(model, { ...profile, logSeverityLevel: 4 });
  const feeds = Object.entries(inputs).map(([name, { data, shape }]) => {
    return [name, new RuntimeTensor('float32', data, shape)] as const;
  });
  await session.run(Object.fromEntries(feeds));
  session.endProfiling();
  await session.release();
  const [file] = await readdir(directory);
  const events = JSON.parse(await readFile(join(directory, file!), 'utf8')) as ProfileEvent[];
  await rm(join(directory, file!));
  return events
    .filter(({ args }) => args?.op_name === operator && args.output_size)
    .map((event) => Number(event.args!.output_size));
}

interface ProfileEvent {
  args?: { op_name?: string; output_size?: string };
}

test('a group norm of two passes is right where the variance is far below the square of the mean', async () => {
  const graph = build((builder) => {
    const input = builder.input('input', ['batch', 8, 'height', 'width']);
    builder.output('output', groupNorm(builder, input, 'norm', { channels: 8, groups: 2, epsilon: 1e-6 }));
  });
  const shape = [2, 8, 3, 5];
  const data = numbers(elementCount(shape), 1).map((value) => 200 + value);
  const { output } = await run(
    await compileModel(graph, async () => new Float32Array(8).fill(1)),
    { input: { data, shape } },
    lowered(),
  );
  const perGroup = 4 * 3 * 5;
  for (let start = 0; start < data.length; start += perGroup) {
    const values = Array.from(data.subarray(start, start + perGroup));
    const mean = values.reduce((sum, value) => sum + value, 0) / perGroup;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / perGroup;
    for (const [index, value] of values.entries()) {
      // fp32 holds 200 to 1.5e-5; the shift is 1, as the factor.
      expect(output!.data[start + index]).toBeCloseTo((value - mean) / Math.sqrt(variance + 1e-6) + 1, 4);
    }
  }
});

test('a wide Split becomes slices, a narrow one stays', async () => {
  const sizes = [1, 2, 3, 1, 5, 2, 4, 1, 1];
  const graph = build((builder) => {
    const parts = builder.nodes('Split', [builder.input('input', [2, 20]), builder.integers(sizes)], 9, { axis: -1 });
    for (const [index, part] of parts.entries()) builder.output(`part${index}`, part);
    for (const part of builder.nodes('Split', [parts[4]!, builder.integers([2, 3])], 2, { axis: -1 })) {
      builder.output(`of${part}`, part);
    }
  });
  const model = await compileModel(graph, read(graph));
  const input = tensor([2, 20], 1);
  expect(await run(model, { input }, lowered())).toEqual(await run(model, { input }));
  expect(operators(lowerModel(model, lowered())).filter((name) => name === 'Split')).toHaveLength(1);
});

test.each([
  { from: 6, to: 8, kernel: 3, filled: true },
  { from: 15, to: 12, kernel: 3, filled: true },
  { from: 3, to: 8, kernel: 3, filled: false },
  { from: 12, to: 8, kernel: 3, filled: false },
  { from: 14, to: 8, kernel: 3, filled: false },
  { from: 15, to: 5, kernel: 3, filled: false },
  { from: 15, to: 8, kernel: 1, filled: false },
])('a convolution $kernel × $kernel from $from to $to channels is filled up with zeros: $filled', async (options) => {
  const { from, filled, kernel } = options;
  for (const storage of ['float32', 'float16'] as const) {
    const graph = build(
      (builder) => {
        const input = builder.input('input', ['batch', from, 'height', 'width']);
        builder.output('output', convolution(builder, input, 'conv', { ...options, kernel, stride: 2 }));
      },
      { storage, compute: 'float32' },
    );
    const model = await compileModel(graph, read(graph));
    const input = tensor([2, from, 7, 6], 1);
    const { output: expected } = await run(model, { input });
    expect(largestDifference((await run(model, { input }, lowered())).output!, expected!)).toBeLessThan(2e-5); // sums of 135 products
    expect(operators(lowerModel(model, lowered())).includes('Pad')).toBe(filled);
  }
});

test('so is a convolution whose kernel the graph computes', async () => {
  for (const compute of ['float32', 'float16'] as const) {
    const flavor = { storage: compute, compute };
    const graph = build((builder) => {
      const input = builder.input('input', ['batch', 15, 'height', 'width']);
      const parts = builder.widen(builder.weight('parts', [2, 12 * 15 * 9]));
      const sum = builder.node('MatMul', [builder.wideInput('shares', [1, 2]), parts]);
      const kernel = builder.narrow(builder.node('Reshape', [sum, builder.integers([12, 15, 3, 3])]));
      builder.output('output', builder.node('Conv', [input, kernel], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }));
    }, flavor);
    const model = await compileModel(graph, read(graph));
    expect(operators(lowerModel(model, lowered())).filter((operator) => operator === 'Pad')).toHaveLength(2);
    if (compute === 'float16') continue; // what the CPU makes of it has no meaning
    const inputs = { input: tensor([2, 15, 7, 6], 1), shares: tensor([1, 2], 2) };
    const { output: expected } = await run(model, inputs);
    expect(largestDifference((await run(model, inputs, lowered())).output!, expected!)).toBeLessThan(2e-5);
  }
});

/** Everything that is lowered, and weights that lie in fp16. */
function network(flavor: Flavor): Graph {
  return build((builder) => {
    const input = builder.input('input', ['batch', 8, 'height', 'width']);
    const weight = builder.weight('kernel', [8, 8, 3, 3]);
    const seen = builder.node('Conv', [input, weight], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    const normal = groupNorm(builder, seen, 'norm', { channels: 8, groups: 2, epsilon: 1e-6 });
    const flat = builder.node('Reshape', [normal, builder.integers([0, 8, -1])]);
    const tokens = builder.node('Transpose', [flat], { perm: [0, 2, 1] });
    const scaled = builder.node('Mul', [tokens, builder.scalar(0.3)]);
    builder.output('output', attention(builder, { query: scaled, key: tokens, value: tokens, heads: 2 }));
  }, flavor);
}

test.each([
  ['float32', 'float32'],
  ['float16', 'float32'],
  ['float16', 'float16'],
] as const)(
  'a network stored in %s that computes in %s is right in fp32, with its weights beside it too',
  async (storage, compute) => {
    const stored = network({ storage, compute: 'float32' });
    const graph = network({ storage, compute });
    const path = join(directory, 'network.onnx');
    await writeModel(graph, read(graph), path);
    const input = tensor([2, 8, 6, 7], 1);
    const { output: expected } = await run(await compileModel(stored, read(stored)), { input });
    const { output } = await run(path, { input }, lowered());
    expect(largestDifference(output!, expected!)).toBeLessThan(2e-6);

    const model = lowerModel(await readFile(path), lowered());
    const { graph: proto } = fromBinary(ModelProtoSchema, model);
    const casts = proto!.node
      .filter(({ opType }) => opType === 'Cast')
      .flatMap(({ attribute }) => attribute.map(({ i }) => i));
    expect(casts).not.toContain(BigInt(DataType.FLOAT16));
    expect(operators(model)).not.toContain('MultiHeadAttention');
    expect(operators(model)).not.toContain('InstanceNormalization');
  },
);

test('where a device runs graphs as they are nothing is touched', async () => {
  const graph = network({ storage: 'float16', compute: 'float16' });
  const model = await compileModel(graph, read(graph));
  expect(lowerModel(model, DEVICES.cpu)).toBe(model);
  expect(lowerModel(model, DEVICES.cuda)).toBe(model);
});

function operators(model: Uint8Array): string[] {
  return fromBinary(ModelProtoSchema, model).graph!.node.map(({ opType }) => opType);
}
