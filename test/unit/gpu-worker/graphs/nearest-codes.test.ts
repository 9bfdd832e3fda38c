import { expect, test } from 'vitest';
import { nearestCodes } from '../../../../gpu-worker/graphs/nearest-codes.ts';
import { createGraphBuilder, type Flavor } from '../../../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../../gpu-worker/runtime/session.ts';

/** Of two channels: the last is the third again, and the fourth lies in the direction of the first, farther out. */
const BOOK = [
  [1, 0],
  [0, 1],
  [-1, -1],
  [9, 0],
  [-1, -1],
];

async function codesOf(points: readonly (readonly [number, number])[], flavor?: Flavor) {
  const graph = createGraphBuilder('codes', { probes: true, ...(flavor && { flavor }) });
  const input = graph.input('input', [1, 2, 'height', 'width']);
  graph.output('output', nearestCodes(graph, input, 'book', { codes: BOOK.length, channels: 2 }));
  const session = await createSession(
    await compileModel(graph.build(), async () => Float32Array.from(BOOK.flat())),
    'cpu',
  );
  const data = Float32Array.from([0, 1].flatMap((channel) => points.map((point) => point[channel]!)));
  const { output, indices, distances } = await session.run({ input: { data, shape: [1, 2, 1, points.length] } });
  await session.release();
  return { output: output!, indices: [...indices!.data], distances: distances! };
}

test('the nearest is taken by distance, not by direction', async () => {
  const { output, indices, distances } = await codesOf([
    [2, 0],
    [6, 0],
    [0, 0.75],
  ]);
  expect(indices).toEqual([0, 3, 1]);
  expect(output).toMatchObject({ shape: [1, 2, 1, 3] });
  expect([...output.data]).toEqual([1, 9, 0, 0, 0, 1]);
  expect([...distances.data.subarray(0, BOOK.length)]).toEqual([1, 5, 10, 49, 10]);
});

test('of equal codes, and of codes that are equally near, the first', async () => {
  const { indices } = await codesOf([
    [-1, -1],
    [0.5, 0.5],
    [5, 0],
  ]);
  expect(indices).toEqual([2, 0, 0]);
});

test('stored in fp16 it is the same', async () => {
  const { indices } = await codesOf([[6, 0]], { storage: 'float16', compute: 'float32' });
  expect(indices).toEqual([3]);
});
