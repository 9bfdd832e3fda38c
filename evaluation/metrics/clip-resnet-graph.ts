import { convolution } from '../../gpu-worker/graphs/convolution.ts';
import { attention, linear } from '../../gpu-worker/graphs/layers.ts';
import {
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type GraphOptions,
  type Value,
} from '../../gpu-worker/graphs/onnx.ts';
import { batchNorm } from './batch-norm.ts';

export interface ClipResnetConfig {
  /** Channels of the first layer's bottlenecks. */
  width: number;
  /** Bottlenecks of the four layers. */
  layers: readonly number[];
  /** Length of a feature vector. */
  features: number;
}

const EPSILON = 1e-5;
/** Outer channels of a bottleneck over its inner ones. */
const EXPANSION = 4;
const MEAN = [0.48145466, 0.4578275, 0.40821073];
const DEVIATION = [0.26862954, 0.26130258, 0.27577711];

/**
 * The picture half of CLIP's ResNets (Radford et al. 2021) without its position embedding, as CLIPIQA takes it: `image`
 * [1, 3, h, w] in 0..1, sides of at least 32 → `image_features` [1, features]. Probes: `conv1`, `stem`, `layer1` to `layer4`.
 */
export function clipResnet({ width, layers, features }: ClipResnetConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('clip-resnet', options);
  const perChannel = (values: number[]) => graph.tensor([1, 3, 1, 1], Float32Array.from(values));
  const centered = graph.node('Sub', [graph.input('image', [1, 3, 'height', 'width']), perChannel(MEAN)]);
  let value = stem(graph, graph.node('Div', [centered, perChannel(DEVIATION)]), width);
  graph.probe('stem', value);
  let channels = width;
  for (const [index, blocks] of layers.entries()) {
    const inner = width * 2 ** index;
    for (let block = 0; block < blocks; block++) {
      const shrinks = index > 0 && block === 0;
      value = bottleneck(graph, value, `visual.layer${index + 1}.${block}`, {
        from: channels,
        inner,
        shrinks,
        isFirst: block === 0,
      });
      channels = inner * EXPANSION;
    }
    graph.probe(`layer${index + 1}`, value);
  }
  graph.output('image_features', attentionPool(graph, value, { channels, heads: width / 2, features }), [1, features]);
  return graph.build();
}

function stem(graph: GraphBuilder, input: Value, width: number): Value {
  const sizes = [
    { from: 3, to: width / 2, stride: 2, pads: [1, 1, 1, 1] as [number, number, number, number] },
    { from: width / 2, to: width / 2 },
    { from: width / 2, to: width },
  ];
  let value = input;
  for (const [index, size] of sizes.entries()) {
    value = convolution(graph, value, `visual.conv${index + 1}`, { ...size, bias: false });
    if (index === 0) graph.probe('conv1', value);
    value = graph.node('Relu', [batchNorm(graph, value, `visual.bn${index + 1}`, size.to, EPSILON)]);
  }
  return halve(graph, value);
}

/** An odd last row or column is dropped. */
function halve(graph: GraphBuilder, input: Value): Value {
  return graph.node('AveragePool', [input], { kernel_shape: [2, 2], strides: [2, 2] });
}

/** All convolutions have stride 1; a block that shrinks takes means instead. */
function bottleneck(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { from, inner, shrinks, isFirst }: { from: number; inner: number; shrinks: boolean; isFirst: boolean },
): Value {
  const layer = (value: Value, part: string, norm: string, sizes: { from: number; to: number; kernel: number }) => {
    const convolved = convolution(graph, value, `${name}.${part}`, { ...sizes, bias: false });
    return batchNorm(graph, convolved, `${name}.${norm}`, sizes.to, EPSILON);
  };
  const outer = inner * EXPANSION;
  const smaller = (value: Value) => (shrinks ? halve(graph, value) : value);
  const narrow = graph.node('Relu', [layer(input, 'conv1', 'bn1', { from, to: inner, kernel: 1 })]);
  const middle = graph.node('Relu', [layer(narrow, 'conv2', 'bn2', { from: inner, to: inner, kernel: 3 })]);
  const wide = layer(smaller(middle), 'conv3', 'bn3', { from: inner, to: outer, kernel: 1 });
  const shortcut = isFirst
    ? layer(smaller(input), 'downsample.0', 'downsample.1', { from, to: outer, kernel: 1 })
    : input;
  return graph.node('Relu', [graph.node('Add', [wide, shortcut])]);
}

/** Attention of the mean to itself and all positions: only its answer is used. */
function attentionPool(
  graph: GraphBuilder,
  input: Value,
  { channels, heads, features }: { channels: number; heads: number; features: number },
): Value {
  const name = 'visual.attnpool';
  const flat = graph.node('Reshape', [input, graph.integers([1, channels, -1])]);
  const positions = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  const mean = graph.node('ReduceMean', [positions, graph.integers([1])], { keepdims: 1 });
  const tokens = graph.node('Concat', [mean, positions], { axis: 1 });
  const project = (value: Value, part: string) =>
    linear(graph, value, `${name}.${part}_proj`, { from: channels, to: channels });
  const [query, key, value] = [project(mean, 'q'), project(tokens, 'k'), project(tokens, 'v')];
  const attended = attention(graph, { query, key, value, heads });
  const projected = linear(graph, attended, `${name}.c_proj`, { from: channels, to: features });
  return graph.node('Reshape', [projected, graph.integers([1, features])]);
}
