import { convolution } from '../../gpu-worker/graphs/convolution.ts';
import { attention, gelu, groupNorm, layerNorm, linear } from '../../gpu-worker/graphs/layers.ts';
import {
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type GraphOptions,
  type Value,
} from '../../gpu-worker/graphs/onnx.ts';
import { PATCH } from './musiq-patches.ts';

/** Sizes of a MUSIQ (Ke et al. 2021); in its code arguments of the constructor. */
export interface MusiqConfig {
  hidden: number;
  mlp: number;
  heads: number;
  layers: number;
  /** One is the score itself; more are shares of the scores 1, 2, …. */
  classes: number;
}

const GROUPS = 32;
const ROOT = 64;
const WIDE = 256;
const LAYER_EPSILON = 1e-6;

/**
 * `patches` [n, 3, 32, 32] → `tokens` [n, hidden]. Weights of its convolutions are wanted standardized: see
 * `standardized`. Probes: `root_pool`, `block1`.
 */
export function musiqStem({ hidden }: MusiqConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('musiq-stem', options);
  const patches = graph.input('patches', ['n', 3, PATCH, PATCH]);
  const root = normalConvolution(graph, patches, 'conv_root', 'gn_root', {
    from: 3,
    to: ROOT,
    kernel: 7,
    epsilon: 1e-6,
  });
  // The zeros of the original below and to the right change no maximum after a ReLU.
  const pool = { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] };
  const pooled = graph.node('MaxPool', [graph.node('Relu', [root])], pool);
  graph.probe('root_pool', pooled);
  const seen = bottleneck(graph, pooled);
  graph.probe('block1', seen);
  const side = PATCH / 4;
  const flat = graph.node('Reshape', [
    graph.node('Transpose', [seen], { perm: [0, 2, 3, 1] }),
    graph.integers([0, -1]),
  ]);
  graph.output('tokens', linear(graph, flat, 'embedding', { from: side ** 2 * WIDE, to: hidden }), ['n', hidden]);
  return graph.build();
}

function bottleneck(graph: GraphBuilder, input: Value): Value {
  const layer = (value: Value, part: string, sizes: { from: number; to: number; kernel: number }) =>
    normalConvolution(graph, value, `block1.conv${part}`, `block1.gn${part}`, { ...sizes, epsilon: 1e-4 });
  const narrow = graph.node('Relu', [layer(input, '1', { from: ROOT, to: ROOT, kernel: 1 })]);
  const middle = graph.node('Relu', [layer(narrow, '2', { from: ROOT, to: ROOT, kernel: 3 })]);
  const wide = layer(middle, '3', { from: ROOT, to: WIDE, kernel: 1 });
  const shortcut = layer(input, '_proj', { from: ROOT, to: WIDE, kernel: 1 });
  return graph.node('Relu', [graph.node('Add', [wide, shortcut])]);
}

/** Of 7 × 7 with stride 2, padded as TensorFlow does; then a group norm. */
function normalConvolution(
  graph: GraphBuilder,
  input: Value,
  name: string,
  norm: string,
  { from, to, kernel, epsilon }: { from: number; to: number; kernel: number; epsilon: number },
): Value {
  const halved = kernel === 7 && { stride: 2, pads: [2, 2, 3, 3] as [number, number, number, number] };
  const value = convolution(graph, input, name, { from, to, kernel, bias: false, ...halved });
  return groupNorm(graph, value, norm, { channels: to, groups: GROUPS, epsilon });
}

const ENCODER = 'transformer_encoder';

/**
 * `tokens` [n, hidden], `positions` [n] 0..99, `scales` [n] 0..2 → `score` [1, 1]. Probes: `positions_added`, `scales_added`,
 * `encoderN`, `encoder_norm`.
 */
export function musiqEncoder(config: MusiqConfig, options: GraphOptions = {}): Graph {
  const { hidden, layers, classes } = config;
  const graph = createGraphBuilder('musiq-encoder', options);
  const tokens = graph.input('tokens', ['n', hidden]);
  const [positions, scales] = ['positions', 'scales'].map((name) => graph.toInteger(graph.wideInput(name, ['n'])));
  const places = graph.weight(`${ENCODER}.posembed_input.position_emb`, [1, 100, hidden]);
  const placed = graph.node('Add', [tokens, graph.node('Gather', [places, positions!], { axis: 1 })]);
  graph.probe('positions_added', placed);
  const sizes = graph.weight(`${ENCODER}.scaleembed_input.scale_emb`, [3, hidden]);
  const scaled = graph.node('Add', [placed, graph.node('Gather', [sizes, scales!], { axis: 0 })]);
  graph.probe('scales_added', scaled);
  let value = graph.node('Concat', [graph.weight(`${ENCODER}.cls`, [1, 1, hidden]), scaled], { axis: 1 });
  for (let index = 0; index < layers; index++) {
    value = encoderBlock(graph, value, `${ENCODER}.transformer.encoderblock_${index}`, config);
    graph.probe(`encoder${index}`, value);
  }
  const normal = layerNorm(graph, value, `${ENCODER}.encoder_norm`, hidden, LAYER_EPSILON);
  graph.probe('encoder_norm', normal);
  const summary = graph.node('Gather', [normal, graph.integers([0])], { axis: 1 });
  const answer = linear(graph, graph.node('Reshape', [summary, graph.integers([1, hidden])]), 'head', {
    from: hidden,
    to: classes,
  });
  graph.output('score', classes === 1 ? answer : expectation(graph, answer, classes), [1, 1]);
  return graph.build();
}

function encoderBlock(graph: GraphBuilder, input: Value, name: string, { hidden, mlp, heads }: MusiqConfig): Value {
  const same = { from: hidden, to: hidden };
  const before = layerNorm(graph, input, `${name}.norm1`, hidden, LAYER_EPSILON);
  const [query, key, value] = ['query', 'key', 'value'].map((part) =>
    linear(graph, before, `${name}.attention.${part}`, same),
  ) as [Value, Value, Value];
  const attended = linear(graph, attention(graph, { query, key, value, heads }), `${name}.attention.out`, same);
  const seen = graph.node('Add', [input, attended]);
  const after = layerNorm(graph, seen, `${name}.norm2`, hidden, LAYER_EPSILON);
  const inner = gelu(graph, linear(graph, after, `${name}.mlp.fc1`, { from: hidden, to: mlp }));
  return graph.node('Add', [seen, linear(graph, inner, `${name}.mlp.fc2`, { from: mlp, to: hidden })]);
}

/** Σ i · pᵢ with i from 1. */
function expectation(graph: GraphBuilder, logits: Value, classes: number): Value {
  const shares = graph.node('Softmax', [logits], { axis: 1 });
  const scores = graph.floats(Array.from({ length: classes }, (_, index) => index + 1));
  return graph.node('ReduceSum', [graph.node('Mul', [shares, scores]), graph.integers([1])], { keepdims: 1 });
}

/** Weights of a convolution [out, …] with mean 0 and deviation 1 for each output (n − 1 below the root, 1e-5 added to it). */
export function standardized(weights: Float32Array, outputs: number): Float32Array<ArrayBuffer> {
  const size = weights.length / outputs;
  const result = new Float32Array(weights.length);
  for (let output = 0; output < outputs; output++) {
    const values = weights.subarray(output * size, (output + 1) * size);
    const mean = values.reduce((sum, value) => sum + value, 0) / size;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const deviation = Math.sqrt(squares / (size - 1)) + 1e-5;
    result.set(
      values.map((value) => (value - mean) / deviation),
      output * size,
    );
  }
  return result;
}
