import {
  bilinearUpsampling,
  convolution,
  nearestUpsampling,
  nearestUpsamplingTo,
  pixelShuffle,
  pixelUnshuffle,
} from '../graphs/convolution.ts';
import { attention, gelu, groupNorm, layerNorm, linear, silu } from '../graphs/layers.ts';
import { nearestCodes } from '../graphs/nearest-codes.ts';
import { createGraphBuilder, type Flavor, type Graph, type GraphBuilder, type Value } from '../graphs/onnx.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';

/** Makes a small network of one kind of layer: input `[…shape]` → output. */
interface CheckedLayer {
  shape: number[];
  build(graph: GraphBuilder, input: Value): Value;
  /** Added to each number of the input: where the mean is far above the deviation digits get lost. */
  offset?: number;
}

const PICTURE = [2, 12, 9, 7];
const TOKENS = [2, 70, 24];

/**
 * Every kind of layer that the networks of the methods are made of, by the name that a report gives it; together they use every
 * operator that any of them uses. Sizes are such as have been computed wrong: 64 queries and more, channels that are a
 * multiple of 3 only.
 */
const CHECKED_LAYERS = {
  'convolution 3×3': layer(PICTURE, (graph, input) => convolution(graph, input, 'layer', { from: 12, to: 16 })),
  'convolution 3×3 of a color picture': layer([1, 3, 9, 7], (graph, input) =>
    convolution(graph, input, 'layer', { from: 3, to: 8 }),
  ),
  'convolution 3×3 of 15 channels': layer([1, 15, 9, 7], (graph, input) =>
    convolution(graph, input, 'layer', { from: 15, to: 8 }),
  ),
  'convolution 3×3 of stride 2': layer(PICTURE, (graph, input) =>
    convolution(graph, input, 'layer', { from: 12, to: 5, stride: 2, pads: [0, 0, 1, 1] }),
  ),
  'convolution 4×4': layer(PICTURE, (graph, input) =>
    convolution(graph, input, 'layer', { from: 12, to: 8, kernel: 4, pads: [1, 1, 1, 1] }),
  ),
  'convolution 5×5': layer(PICTURE, (graph, input) =>
    convolution(graph, input, 'layer', { from: 12, to: 8, kernel: 5 }),
  ),
  'convolution 5×5 of stride 2': layer(PICTURE, (graph, input) =>
    convolution(graph, input, 'layer', { from: 12, to: 8, kernel: 5, stride: 2 }),
  ),
  'patch embedding': layer([1, 3, 16, 12], (graph, input) =>
    convolution(graph, input, 'layer', { from: 3, to: 8, kernel: 4, stride: 4, pads: [0, 0, 0, 0] }),
  ),
  'convolution 1×1': layer(PICTURE, (graph, input) =>
    convolution(graph, input, 'layer', { from: 12, to: 8, kernel: 1 }),
  ),
  'linear layer': layer(TOKENS, (graph, input) => linear(graph, input, 'layer', { from: 24, to: 36 })),
  attention: layer(TOKENS, (graph, input) => {
    const project = (name: string) => linear(graph, input, name, { from: 24, to: 24, bias: false });
    return attention(graph, { query: project('query'), key: project('key'), value: project('value'), heads: 3 });
  }),
  'attention with a bias': layer(TOKENS, (graph, input) =>
    attention(graph, { query: input, key: input, value: input, heads: 2, bias: graph.weight('bias', [1, 2, 70, 70]) }),
  ),
  'group norm': {
    ...layer([2, 12, 2, 1], (graph, input) =>
      groupNorm(graph, input, 'norm', { channels: 12, groups: 6, epsilon: 1e-6 }),
    ),
    offset: 20,
  },
  'layer norm': layer(TOKENS, (graph, input) => layerNorm(graph, input, 'norm', 24)),
  'mean and variance': layer(PICTURE, (graph, input) => {
    const axes = graph.integers([2, 3]);
    const centered = graph.node('Sub', [input, graph.node('ReduceMean', [input, axes])]);
    const variance = graph.node('ReduceMean', [graph.node('Mul', [centered, centered]), axes]);
    return graph.node('Div', [centered, graph.node('Sqrt', [graph.node('Add', [variance, graph.scalar(0.01)])])]);
  }),
  gelu: layer(TOKENS, gelu),
  silu: layer(PICTURE, silu),
  relu: layer(PICTURE, (graph, input) => graph.node('Relu', [input])),
  'leaky relu': layer(PICTURE, (graph, input) => graph.node('LeakyRelu', [input], { alpha: 0.2 })),
  'parametric relu': layer(PICTURE, (graph, input) => {
    const slopes = graph.node('Unsqueeze', [graph.weight('slopes', [12]), graph.integers([1, 2])]);
    return graph.node('PRelu', [input, slopes]);
  }),
  'scaled residual': layer(PICTURE, (graph, input) =>
    graph.node('Add', [graph.node('Mul', [input, graph.weight('scale', [12, 1, 1])]), input]),
  ),
  concatenation: layer(PICTURE, (graph, input) =>
    graph.node('Concat', [input, graph.weight('skip', [2, 5, 9, 7]), input], { axis: 1 }),
  ),
  'mixture of experts': layer([1, 5], (graph, input) => {
    const flat = graph.node('Reshape', [graph.weight('experts', [5, 8, 3, 3]), graph.integers([5, -1])]);
    return graph.node('Reshape', [graph.node('MatMul', [input, flat]), graph.integers([8, 1, 3, 3])]);
  }),
  'bilinear upsampling': layer(PICTURE, (graph, input) => bilinearUpsampling(graph, input, 4)),
  'nearest upsampling': layer(PICTURE, (graph, input) => nearestUpsampling(graph, input, 2)),
  'nearest upsampling to a size': layer(PICTURE, (graph, input) => {
    const like = graph.node('Concat', [nearestUpsampling(graph, input, 2), graph.weight('row', [2, 12, 1, 14])], {
      axis: 2,
    });
    return nearestUpsamplingTo(graph, input, like);
  }),
  'pixel shuffle': layer(PICTURE, (graph, input) => pixelShuffle(graph, input, 2)),
  'pixel unshuffle': layer([1, 3, 8, 6], (graph, input) => pixelUnshuffle(graph, input, 2, 3)),
  'wide split': layer([2, 20], (graph, input) => {
    const sizes = [1, 2, 3, 1, 5, 2, 4, 1, 1];
    const parts = graph.nodes('Split', [input, graph.integers(sizes)], sizes.length, { axis: -1 });
    return graph.node('Concat', parts.toReversed(), { axis: -1 });
  }),
  'narrow split': layer(TOKENS, (graph, input) => {
    const [left, right] = graph.nodes('Split', [input], 2, { axis: -1, num_outputs: 2 }) as [Value, Value];
    return graph.node('Mul', [left, right]);
  }),
  'slice and expand': layer([1, 12, 9, 7], (graph, input) => {
    const [start, end, axes] = [
      [1, 2],
      [8, 5],
      [2, 3],
    ].map((numbers) => graph.integers(numbers)) as [Value, Value, Value];
    const part = graph.node('Slice', [input, start, end, axes]);
    return graph.node('Expand', [part, graph.integers([3, 12, 7, 3])]);
  }),
  'word embedding': layer([2, 40], (graph, input) => {
    const ids = graph.toInteger(graph.node('Mul', [graph.node('Relu', [input]), graph.scalar(10)]));
    return graph.node('Gather', [graph.weight('words', [11, 8]), ids], { axis: 0 });
  }),
  'nearest codes': layer([1, 12, 9, 7], (graph, input) =>
    nearestCodes(graph, input, 'book', { codes: 7, channels: 12 }),
  ),
  'order of tokens': layer([70, 24], (graph, input) => {
    const order = graph.integers(Array.from({ length: 70 }, (_, token) => (token * 29) % 70));
    const columns = graph.node('Transpose', [graph.node('Gather', [input, order], { axis: 0 })], { perm: [1, 0] });
    return graph.node('Squeeze', [graph.node('Reshape', [columns, graph.integers([24, 70, 1])]), graph.integers([2])]);
  }),
  'tokens of a picture': layer([1, 12, 9, 7], (graph, input) => {
    const planes = graph.node('Reshape', [input, graph.integers([1, 12, -1])]);
    const places = graph.node('Unsqueeze', [graph.weight('places', [63, 12]), graph.integers([0])]);
    return graph.node('Add', [graph.node('Transpose', [planes], { perm: [0, 2, 1] }), places]);
  }),
  'whole numbers': layer([2, 40], (graph, input) =>
    graph.toFloat(graph.toInteger(graph.node('Mul', [input, graph.scalar(100)]))),
  ),
  mask: layer([1, 12], (graph, input) => {
    const region = graph.integers([0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 3, 3]);
    const [rows, columns] = [
      [12, 1],
      [1, 12],
    ].map((shape) => graph.node('Reshape', [region, graph.integers(shape)]));
    const mask = graph.node('Where', [graph.node('Equal', [rows!, columns!]), graph.scalar(0), graph.scalar(-100)]);
    return graph.node('Add', [mask, input]);
  }),
} satisfies Record<string, CheckedLayer>;

export type LayerKind = keyof typeof CHECKED_LAYERS;

export const LAYER_KINDS = Object.keys(CHECKED_LAYERS) as LayerKind[];

function layer(shape: number[], build: CheckedLayer['build']): CheckedLayer {
  return { shape, build };
}

/** The network of a layer, and what it is asked. */
export function layerNetwork(name: LayerKind, flavor: Flavor): { graph: Graph; input: Tensor } {
  const { shape, build, offset = 0 }: CheckedLayer = CHECKED_LAYERS[name];
  const graph = createGraphBuilder(name, { flavor });
  const axes = shape.map((_, axis) => `axis${axis}`);
  graph.output('output', build(graph, graph.input('input', axes)));
  const data = numbers(elementCount(shape), 1).map((value) => value + offset);
  return { graph: graph.build(), input: { data, shape } };
}

/** Weights of these networks, by name. */
export function layerWeight(graph: Graph, name: string): Float32Array<ArrayBuffer> {
  const seed = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  return numbers(elementCount(graph.weights.get(name)!), seed);
}

/** Between −1 and 1, the same on every machine: whole numbers, mixed, and divided by a power of two. */
function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, index) => {
    const mixed = Math.imul(index + 1 + 7919 * seed, 0x9e3779b1);
    return (Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >> 8) / 2 ** 23;
  });
}
