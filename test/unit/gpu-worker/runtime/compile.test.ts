import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { convolution, nearestUpsamplingTo } from '../../../../gpu-worker/graphs/convolution.ts';
import { attention, gelu, groupNorm, layerNorm, linear, silu } from '../../../../gpu-worker/graphs/layers.ts';
import { createGraphBuilder, type Flavor, type Graph } from '../../../../gpu-worker/graphs/onnx.ts';
import { compileModel, writeModel } from '../../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';
import { elementCount } from '../../../../gpu-worker/tensor/tensor.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-compile-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** A little of everything: convolution, norms, attention, linear layers. */
function network(flavor: Flavor): Graph {
  const graph = createGraphBuilder('little', { flavor });
  const input = graph.input('input', ['batch', 8, 'height', 'width']);
  const conv = convolution(graph, input, 'conv', { from: 8, to: 8, stride: 2 });
  const normal = silu(graph, groupNorm(graph, conv, 'group', { channels: 8, groups: 2, epsilon: 1e-6 }));
  const large = nearestUpsamplingTo(graph, normal, input);
  const flat = graph.node('Reshape', [large, graph.integers([0, 8, -1])]);
  const tokens = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  const wide = layerNorm(graph, linear(graph, tokens, 'wide', { from: 8, to: 16 }), 'layer', 16);
  const attended = attention(graph, { query: wide, key: wide, value: wide, heads: 4 });
  const output = gelu(graph, linear(graph, attended, 'narrow', { from: 16, to: 4, bias: false }));
  graph.output('output', output, ['batch', 'tokens', 4]);
  return graph.build();
}

const numbers = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => Math.sin(12.9 * i + seed));
const input = { data: numbers(2 * 8 * 5 * 7, 0), shape: [2, 8, 5, 7] };

async function run(model: Uint8Array | string): Promise<Float32Array> {
  const session = await createSession(model, 'cpu');
  const { output } = await session.run({ input });
  await session.release();
  return output!.data;
}

const largestDifference = (a: Float32Array, b: Float32Array) =>
  a.reduce((largest, value, index) => Math.max(largest, Math.abs(value - b[index]!)), 0);

describe('a model and its weights', () => {
  const graph = network({ storage: 'float32', compute: 'float32' });
  const read = async (name: string) => numbers(elementCount(graph.weights.get(name)!), name.length);

  test('gives the same with the weights inside and beside it', async () => {
    const path = join(directory, 'little.onnx');
    const written: number[] = [];
    await writeModel(graph, read, path, (bytes) => written.push(bytes));
    expect(await run(path)).toEqual(await run(await compileModel(graph, read)));
    expect(written).toHaveLength(graph.weights.size);
    expect((await stat(`${path}.data`)).size).toBeGreaterThan(written.reduce((sum, bytes) => sum + bytes, 0));
  });

  test('stored or computed in fp16 it is close to fp32: fp16 has 11 significant bits', async () => {
    const exact = await run(await compileModel(graph, read));
    for (const compute of ['float32', 'float16'] as const) {
      const half = await run(await compileModel(network({ storage: 'float16', compute }), read));
      expect(half).not.toEqual(exact);
      expect(largestDifference(half, exact)).toBeLessThan(0.02);
    }
  });

  test('refuses a tensor that does not fill its shape', async () => {
    const short = async (name: string) => (await read(name)).slice(1);
    await expect(compileModel(graph, short)).rejects.toThrow(/has \d+ numbers, its shape \[8,8,3,3\] needs 576/);
  });
});
