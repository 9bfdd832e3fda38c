import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import { expect, test } from 'vitest';
import { createGraphBuilder, type Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createSession } from '../../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { differentiate } from '../../../training/differentiation/differentiate.ts';
import { cutIntoPieces } from '../../../training/differentiation/pieces.ts';
import { measureShapes } from '../../../training/differentiation/shapes.ts';
import { openTrainingNetwork } from '../../../training/network.ts';

const LAYERS = 8;
const WIDTH = 6;
const none = () => Promise.reject(new RangeError('It has no weights.'));

/** Layers x + gelu(x · W), then the mean of the squares: `loss` of `x` and `w0`, `w1`, … */
function chain(): Graph {
  const graph = createGraphBuilder('chain');
  let value = graph.input('x', [4, WIDTH]);
  for (let layer = 0; layer < LAYERS; layer++) {
    const product = graph.node('MatMul', [value, graph.input(`w${layer}`, [WIDTH, WIDTH])]);
    value = graph.node('Add', [value, graph.node('Gelu', [product], { approximate: 'none' })]);
  }
  graph.output('loss', graph.node('ReduceMean', [graph.node('Mul', [value, value])], { keepdims: 0 }), []);
  return graph.build();
}

function numbers(shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return { shape, data: Float32Array.from({ length: size }, (_, index) => Math.sin(seed + 1.7 * index)) };
}

const EXAMPLE = Object.fromEntries([
  ['x', numbers([4, WIDTH], 0)] as const,
  ...Array.from({ length: LAYERS }, (_, layer) => [`w${layer}`, numbers([WIDTH, WIDTH], layer)] as const),
]);
const WEIGHTS = Object.keys(EXAMPLE).filter((name) => name !== 'x');

async function shapesOf(graph: Graph) {
  return await measureShapes(graph, async (asked) => {
    const session = await createSession(await compileModel(asked, none), 'cpu');
    const found = await session.run(EXAMPLE);
    await session.release();
    return found;
  });
}

async function run(wanted: readonly string[], recomputes = false) {
  const upstream = new Map([['loss', 1 as const]]);
  const options = { read: none, wanted, upstream, example: EXAMPLE, device: 'cpu', recomputes } as const;
  const network = await openTrainingNetwork(chain(), options);
  const { outputs, gradients } = await network.run(EXAMPLE);
  await network.release();
  return { loss: outputs.loss!.data[0]!, gradients };
}

test('gradients are the slopes of the loss', async () => {
  const { gradients } = await run(['x', ...WEIGHTS]);
  const step = 1e-2;
  for (const name of ['x', 'w0', 'w7']) {
    const { data } = EXAMPLE[name]!;
    const [kept] = data;
    const losses: number[] = [];
    for (const value of [kept! + step, kept! - step]) {
      data[0] = value;
      losses.push((await run([name])).loss);
    }
    data[0] = kept!;
    // Central differences: their own error is about step² here.
    expect(gradients.get(name)!.data[0]).toBeCloseTo((losses[0]! - losses[1]!) / (2 * step), 3);
  }
});

test('values computed again give the same gradients, to the bit', async () => {
  const [kept, again] = [await run(WEIGHTS), await run(WEIGHTS, true)];
  expect(again.gradients.size).toBe(LAYERS);
  for (const name of WEIGHTS) expect(again.gradients.get(name)!.data, name).toEqual(kept.gradients.get(name)!.data);
});

test('a graph is cut into several pieces, where one value crosses', async () => {
  const graph = chain();
  const shapes = await shapesOf(graph);
  const pieces = cutIntoPieces(graph.proto, shapes, new Set(WEIGHTS));
  expect(new Set(pieces).size).toBeGreaterThan(1);
  expect(pieces).toEqual(pieces.toSorted((a, b) => a - b));
  const cuts = graph.proto.node.filter((_, index) => pieces[index] !== pieces[index + 1]).slice(0, -1);
  expect(cuts.map(({ opType }) => opType)).toEqual(cuts.map(() => 'Add'));
});

test('frozen parts get no gradient, and no nodes for one', async () => {
  const graph = chain();
  const shapes = await shapesOf(graph);
  const upstream = new Map([['loss', 1 as const]]);
  const counts = [WEIGHTS, ['w7']].map(
    (wanted) => differentiate(graph, { upstream, wanted, shapes }).nodes.node.length,
  );
  expect(counts[1]).toBeLessThan(counts[0]! / 4);
  const { gradients } = await run(['w7']);
  expect([...gradients.keys()]).toEqual(['w7']);
});

test('an operator without a rule is refused by its name, unless no gradient passes it', async () => {
  const graph = chain();
  const shapes = await shapesOf(graph);
  graph.proto.node[0]!.opType = 'Tan';
  const options = { upstream: new Map([['loss', 1 as const]]), shapes };
  expect(() => differentiate(graph, { ...options, wanted: ['x'] })).toThrow(/operator Tan has no gradient/);
  expect(() => differentiate(graph, { ...options, wanted: ['w7'] })).not.toThrow();
});

test('a part that is cut out of what was put together has a gradient only where its own source has one', () => {
  const graph = createGraphBuilder('packed');
  const [trained, frozen] = ['trained', 'frozen'].map((name) => graph.input(name, [2, 3])) as [string, string];
  const packed = graph.node('Concat', [trained, frozen], { axis: -1 });
  const [first, second] = graph.nodes('Split', [packed], 2, { axis: -1, num_outputs: 2 }) as [string, string];
  graph.output('loss', graph.node('ReduceSum', [graph.node('Mul', [first, second])], { keepdims: 0 }), []);
  const built = graph.build();
  built.proto.node.push(create(NodeProtoSchema, { opType: 'Identity', input: [second], output: ['unread'] }));
  const shapes = new Map<string, readonly number[]>(
    built.proto.node.flatMap(({ output }) => output.map((value) => [value, [2, 3]])),
  );
  shapes.set('trained', [2, 3]).set('frozen', [2, 3]).set(packed, [2, 6]).set('loss', []);
  const { nodes, of } = differentiate(built, { upstream: new Map([['loss', 1]]), wanted: ['trained'], shapes });
  expect([...of.keys()]).toEqual(['trained']);
  expect(nodes.node.filter(({ opType }) => opType === 'Mul')).toHaveLength(1);
});
