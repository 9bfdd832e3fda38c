import { expect, test } from 'vitest';
import type { Graph } from '../../../../gpu-worker/graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnetStages } from '../../../../gpu-worker/graphs/rrdbnet.ts';
import { compileModel } from '../../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';
import { elementCount } from '../../../../gpu-worker/tensor/tensor.ts';

const CONFIG = { ...REAL_ESRGAN_X4PLUS, features: 32, growth: 16, blocks: 2 };
/** Values up to 2; fp32. */
const TOLERANCE = 1e-5;

const numbers = (length: number, most: number) =>
  Float32Array.from({ length }, (_, index) => most * Math.sin(index ** 2 + 1));

async function open(graph: Graph) {
  const read = async (name: string) => numbers(elementCount(graph.weights.get(name)!), 0.1);
  return await createSession(await compileModel(graph, read), 'cpu');
}

test.each([
  ['shallow', 1],
  ['deep', 2],
] as const)('a residual block of %s features is the same by Winograd, borders included', async (input, stage) => {
  const { graph, byWinograd } = rrdbnetStages(CONFIG)[stage]!;
  expect(byWinograd!.weights).toEqual(graph.weights);
  const [plain, quick] = [await open(graph), await open(byWinograd!)];
  for (const [height, width] of [
    [1, 4],
    [5, 12],
    [23, 40],
  ] as const) {
    const shape = [1, CONFIG.features, height, width];
    const given = { [input]: { data: numbers(elementCount(shape), 1), shape } };
    const [expected, actual] = [(await plain.run(given)).output!, (await quick.run(given)).output!];
    expect(actual.shape).toEqual(expected.shape);
    const differences = actual.data.map((value, index) => Math.abs(value - expected.data[index]!));
    expect(Math.max(...differences), `${height} × ${width}`).toBeLessThan(TOLERANCE);
  }
  await plain.release();
  await quick.release();
});

test('only the blocks of ESRGAN as it was published have a graph by Winograd', () => {
  const kinds = (config: typeof CONFIG) => rrdbnetStages(config).map(({ byWinograd }) => byWinograd !== undefined);
  expect(kinds(CONFIG)).toEqual([false, true, true, false]);
  expect(kinds({ ...CONFIG, isPlus: true })).toEqual([false, false, false, false]);
  expect(kinds({ ...CONFIG, growth: 24 })).toEqual([false, false, false, false]);
});
