import { convolution } from '../../gpu-worker/graphs/convolution.ts';
import {
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type GraphOptions,
  type Value,
} from '../../gpu-worker/graphs/onnx.ts';
import { type Level, squeezeFeatures } from './squeezenet.ts';

type Chain = 'vgg' | 'alex';
export type Backbone = Chain | 'squeeze';

interface Layer {
  /** Of `features` in torchvision's checkpoint. */
  index: number;
  from: number;
  to: number;
  kernel?: number;
  stride?: number;
  margin?: number;
  /** A pooling comes before. */
  pooled?: boolean;
  /** Its result, after the ReLU, is compared. */
  compared?: boolean;
}

/** VGG-16 up to relu5_3 and AlexNet up to relu5, as in torchvision. */
const LAYERS: Record<Chain, Layer[]> = {
  vgg: [
    { index: 0, from: 3, to: 64 },
    { index: 2, from: 64, to: 64, compared: true },
    { index: 5, from: 64, to: 128, pooled: true },
    { index: 7, from: 128, to: 128, compared: true },
    { index: 10, from: 128, to: 256, pooled: true },
    { index: 12, from: 256, to: 256 },
    { index: 14, from: 256, to: 256, compared: true },
    { index: 17, from: 256, to: 512, pooled: true },
    { index: 19, from: 512, to: 512 },
    { index: 21, from: 512, to: 512, compared: true },
    { index: 24, from: 512, to: 512, pooled: true },
    { index: 26, from: 512, to: 512 },
    { index: 28, from: 512, to: 512, compared: true },
  ],
  alex: [
    { index: 0, from: 3, to: 64, kernel: 11, stride: 4, margin: 2, compared: true },
    { index: 3, from: 64, to: 192, kernel: 5, margin: 2, pooled: true, compared: true },
    { index: 6, from: 192, to: 384, pooled: true, compared: true },
    { index: 8, from: 384, to: 256, compared: true },
    { index: 10, from: 256, to: 256, compared: true },
  ],
};

type Pool = (graph: GraphBuilder, input: Value, channels: number) => Value;

const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
/** The same for −1..1, rounded as LPIPS has it. */
const SCALED = { mean: [-0.03, -0.088, -0.188], deviation: [0.458, 0.448, 0.45] };
const SHAPE = [1, 3, 'height', 'width'] as const;

/**
 * LPIPS 0.1 (Zhang et al. 2018). `image`, `reference` [1, 3, h, w], RGB 0..1 → `score` [1, 1, 1, 1]. Tensors as in torchvision's
 * file of the backbone (`features.N`) and in the published one of the linear layers (`linN.model.1.weight`). Probe: `layers`,
 * the terms of the sum.
 */
export function lpips(backbone: Backbone, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder(`lpips-${backbone}`, options);
  const both = bothInputs(graph);
  const signed = graph.node('Sub', [graph.node('Mul', [both, graph.scalar(2)]), graph.scalar(1)]);
  const normal = normalize(graph, signed, SCALED);
  const levels =
    backbone === 'squeeze' ? squeezeFeatures(graph, normal) : features(graph, normal, backbone, maxPool(backbone));
  const scores = levels.map(({ value, channels }, index) => {
    const [one, other] = halves(graph, unitVectors(graph, value));
    const difference = graph.node('Sub', [one, other]);
    const weight = graph.weight(`lin${index}.model.1.weight`, [1, channels, 1, 1]);
    const weighted = graph.node('Conv', [graph.node('Mul', [difference, difference]), weight], {
      kernel_shape: [1, 1],
    });
    return graph.node('GlobalAveragePool', [weighted]);
  });
  graph.probe('layers', graph.node('Concat', scores, { axis: 1 }));
  graph.output('score', graph.node('Sum', scores), [1, 1, 1, 1]);
  return graph.build();
}

/**
 * DISTS (Ding et al. 2020), at the size of the pictures. Inputs as above → `score` [1, 1, 1, 1]. Tensors as in torchvision's file
 * of VGG-16 and in the published one of the weights (`alpha`, `beta`).
 */
export function dists(): Graph {
  const graph = createGraphBuilder('dists');
  const both = bothInputs(graph);
  const levels = [{ value: both, channels: 3 }, ...features(graph, normalize(graph, both, IMAGENET), 'vgg', rootPool)];
  const channels = levels.reduce((sum, level) => sum + level.channels, 0);
  const weights = ['alpha', 'beta'].map((name) => graph.weight(name, [1, channels, 1, 1])) as [Value, Value];
  const sums = levels.map(({ value }) => similarities(graph, value));
  const all = [0, 1].map((part) =>
    graph.node(
      'Concat',
      sums.map((pair) => pair[part]!),
      { axis: 1 },
    ),
  ) as [Value, Value];
  const total = (value: Value) => graph.node('ReduceSum', [value], { keepdims: 1 });
  const weighted = weights.map((weight, part) => total(graph.node('Mul', [weight, all[part]!])));
  const similarity = graph.node('Div', [graph.node('Sum', weighted), graph.node('Sum', weights.map(total))]);
  graph.output('score', graph.node('Sub', [graph.scalar(1), similarity]), [1, 1, 1, 1]);
  return graph.build();
}

/** As a batch of two. */
function bothInputs(graph: GraphBuilder): Value {
  return graph.node('Concat', [graph.input('image', SHAPE), graph.input('reference', SHAPE)], { axis: 0 });
}

function halves(graph: GraphBuilder, batch: Value): [Value, Value] {
  return graph.nodes('Split', [batch], 2, { axis: 0, num_outputs: 2 }) as [Value, Value];
}

function normalize(graph: GraphBuilder, input: Value, { mean, deviation }: typeof IMAGENET): Value {
  const perChannel = (values: number[]) => graph.tensor([1, 3, 1, 1], Float32Array.from(values));
  return graph.node('Div', [graph.node('Sub', [input, perChannel(mean)]), perChannel(deviation)]);
}

function features(graph: GraphBuilder, input: Value, backbone: Chain, pool: Pool): Level[] {
  const levels: Level[] = [];
  let value = input;
  for (const { index, from, to, kernel = 3, stride = 1, margin = 1, pooled, compared } of LAYERS[backbone]) {
    if (pooled) value = pool(graph, value, from);
    const pads: [number, number, number, number] = [margin, margin, margin, margin];
    value = graph.node('Relu', [convolution(graph, value, `features.${index}`, { from, to, kernel, stride, pads })]);
    if (compared) levels.push({ value, channels: to });
  }
  return levels;
}

function maxPool(backbone: Chain): Pool {
  const side = backbone === 'vgg' ? 2 : 3;
  return (graph, input) => graph.node('MaxPool', [input], { kernel_shape: [side, side], strides: [2, 2] });
}

/** Root of the mean square under a Hann window of 3 × 3, every second pixel. */
function rootPool(graph: GraphBuilder, input: Value, channels: number): Value {
  const window = [1, 2, 1, 2, 4, 2, 1, 2, 1].map((weight) => weight / 16);
  const kernels = graph.tensor(
    [channels, 1, 3, 3],
    Float32Array.from({ length: channels * 9 }, (_, i) => window[i % 9]!),
  );
  const squares = graph.node('Mul', [input, input]);
  const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], group: channels };
  const means = graph.node('Conv', [squares, kernels], attributes);
  return graph.node('Sqrt', [graph.node('Add', [means, graph.scalar(1e-12)])]);
}

/** Every pixel's channels divided by their length. */
function unitVectors(graph: GraphBuilder, input: Value): Value {
  const squares = graph.node('ReduceSum', [graph.node('Mul', [input, input]), graph.integers([1])], { keepdims: 1 });
  return graph.node('Div', [input, graph.node('Add', [graph.node('Sqrt', [squares]), graph.scalar(1e-10)])]);
}

/** Of a batch of two: texture (means) and structure (covariances), [1, channels, 1, 1] each. */
function similarities(graph: GraphBuilder, input: Value): [Value, Value] {
  const multiply = (a: Value, b: Value) => graph.node('Mul', [a, b]);
  const mean = (value: Value) => graph.node('GlobalAveragePool', [value]);
  const means = mean(input);
  const centered = graph.node('Sub', [input, means]);
  const [variance, otherVariance] = halves(graph, mean(multiply(centered, centered)));
  const [mu, nu] = halves(graph, means);
  const [one, other] = halves(graph, centered);
  const ratio = (product: Value, sum: Value) => {
    const doubled = graph.node('Add', [multiply(product, graph.scalar(2)), graph.scalar(1e-6)]);
    return graph.node('Div', [doubled, graph.node('Add', [sum, graph.scalar(1e-6)])]);
  };
  return [
    ratio(multiply(mu, nu), graph.node('Add', [multiply(mu, mu), multiply(nu, nu)])),
    ratio(mean(multiply(one, other)), graph.node('Add', [variance, otherVariance])),
  ];
}
