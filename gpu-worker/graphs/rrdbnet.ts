import { convolution, nearestUpsampling, pixelUnshuffle } from './convolution.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from './onnx.ts';
import { rrdbByWinograd } from './rrdb-winograd.ts';
import type { Stage } from './stage.ts';
import { BLOCK_CHANNELS } from './winograd-operators.ts';

/** Of dense blocks. */
interface DenseConfig {
  features: number;
  /** Channels that each convolution of a dense block adds. */
  growth: number;
  /** Share of a branch that is added to its input, in dense blocks and around three of them. */
  residualScale: number;
  /** ESRGAN+ (Rakotonirina and Rasoanaivo 2020, section 3.1): more sums in the dense blocks, without its noise. */
  isPlus: boolean;
}

export interface RrdbnetConfig extends DenseConfig {
  /** Of the picture: 1 gray, 3 RGB, 4 RGB and alpha. */
  inputChannels: number;
  outputChannels: number;
  /** Factor of the pixel unshuffle in front: 1 for none. */
  shuffle: number;
  /** Behind the blocks; each enlarges by 2. */
  upsamplings: number;
  blocks: number;
}

export const REAL_ESRGAN_X4PLUS: RrdbnetConfig = {
  inputChannels: 3,
  outputChannels: 3,
  shuffle: 1,
  upsamplings: 2,
  features: 64,
  growth: 32,
  blocks: 23,
  residualScale: 0.2,
  isPlus: false,
};

const LEAKY_SLOPE = 0.2;

/**
 * RRDBNet: ESRGAN (Wang et al. 2018, section 3.1) as used by Real-ESRGAN (Wang et al. 2021, section 3.4).
 * `input` [batch, in, h, w] 0..1, sides multiples of `shuffle` → `output` [batch, out, s·h, s·w], not clamped, with
 * s = 2^upsamplings / shuffle.
 */
export function rrdbnet(config: RrdbnetConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('rrdbnet', options);
  const shallow = firstLayers(graph, graph.input('input', planes(config.inputChannels)), config);
  let deep = shallow;
  for (let block = 0; block < config.blocks; block++) {
    deep = residualInResidual(graph, deep, `body.${block}`, config);
    graph.probe(`block_trunk${block}`, deep);
  }
  lastLayers(graph, { shallow, deep }, config);
  return graph.build();
}

/**
 * The same network in stages: the first layers, every residual block, which sees as far as its 15 convolutions, and the
 * last layers.
 */
export function rrdbnetStages(config: RrdbnetConfig, options: GraphOptions = {}): Stage[] {
  const { inputChannels, shuffle, upsamplings, features, blocks } = config;
  const firstGraph = createGraphBuilder('rrdbnet_first', options);
  const value = firstLayers(firstGraph, firstGraph.input('input', planes(inputChannels)), config);
  firstGraph.output('output', value, planes(features));
  const first: Stage = { graph: firstGraph.build(), gives: 'shallow', context: shuffle, scale: 1 / shuffle };
  const trunk = Array.from({ length: blocks }, (_, block): Stage => {
    const [input, name] = [block === 0 ? 'shallow' : 'deep', `body.${block}`];
    const graph = createGraphBuilder('rrdbnet_block', options);
    const value = residualInResidual(graph, graph.input(input, planes(features)), name, config);
    graph.output('output', value, planes(features));
    const byWinograd = rrdbByWinograd({ ...config, input, name, leakySlope: LEAKY_SLOPE }, options);
    const facts = { gives: 'deep', context: RESIDUAL_CONTEXT, scale: 1, refines: true };
    return { graph: graph.build(), ...facts, ...(gainsByWinograd(config) && { byWinograd }) };
  });
  const lastGraph = createGraphBuilder('rrdbnet_last', options);
  const [shallow, deep] = ['shallow', 'deep'].map((name) => lastGraph.input(name, planes(features))) as [Value, Value];
  lastLayers(lastGraph, { shallow, deep }, config);
  const scale = 2 ** upsamplings;
  // One for each convolution in front of an upsampling or behind the last; the others see less than one.
  const last: Stage = {
    graph: lastGraph.build(),
    gives: 'output',
    context: 3,
    scale,
    tileDivisor: Math.max(1, scale / 2),
  };
  return [first, ...trunk, last];
}

function gainsByWinograd({ features, growth, isPlus }: RrdbnetConfig): boolean {
  return !isPlus && [features, growth].every((channels) => channels % BLOCK_CHANNELS === 0);
}

const planes = (channels: number) => ['batch', channels, 'height', 'width'];

function firstLayers(graph: GraphBuilder, input: Value, { inputChannels, shuffle, features }: RrdbnetConfig): Value {
  const small = pixelUnshuffle(graph, input, shuffle, inputChannels);
  const shallow = convolution(graph, small, 'conv_first', { from: inputChannels * shuffle ** 2, to: features });
  graph.probe('block_first', shallow);
  return shallow;
}

/** Behind the residual blocks. `output`: the picture. */
function lastLayers(graph: GraphBuilder, { shallow, deep }: Record<'shallow' | 'deep', Value>, config: RrdbnetConfig) {
  const { outputChannels, upsamplings, features } = config;
  const layer = (value: Value, name: string) => convolution(graph, value, name, { from: features, to: features });
  const body = layer(deep, 'conv_body');
  graph.probe('block_after_trunk', body);
  let value = graph.node('Add', [shallow, body]);
  for (let upsampling = 1; upsampling <= upsamplings; upsampling++) {
    value = layer(nearestUpsampling(graph, value, 2), `conv_up${upsampling}`);
    graph.probe(`block_up${upsampling}`, value);
    value = leaky(graph, value);
  }
  value = layer(value, 'conv_hr');
  graph.probe('block_hr', value);
  value = convolution(graph, leaky(graph, value), 'conv_last', { from: features, to: outputChannels });
  graph.output('output', value, ['batch', outputChannels, 'output_height', 'output_width']);
}

/** As far as the 15 convolutions of three dense blocks see. */
export const RESIDUAL_CONTEXT = 15;

/** Three dense blocks in a row, scaled and added to their input. */
export function residualInResidual(graph: GraphBuilder, input: Value, name: string, config: DenseConfig): Value {
  let value = input;
  for (const block of ['rdb1', 'rdb2', 'rdb3']) value = denseBlock(graph, value, `${name}.${block}`, config);
  return addScaled(graph, input, value, config.residualScale);
}

/** Five convolutions; each sees the input and the outputs of all earlier ones. */
function denseBlock(graph: GraphBuilder, input: Value, name: string, config: DenseConfig): Value {
  const { features, growth, residualScale, isPlus } = config;
  let seen = input;
  let from = features;
  let sum: Value | undefined;
  for (const [index, conv] of ['conv1', 'conv2', 'conv3', 'conv4'].entries()) {
    let grown = leaky(graph, convolution(graph, seen, `${name}.${conv}`, { from, to: growth }));
    // ESRGAN+: every second one also gets the output of the one two before it, the first of them that of the input.
    if (isPlus && index % 2 === 1) {
      sum ??= convolution(graph, input, `${name}.conv1x1`, { from: features, to: growth, kernel: 1, bias: false });
      grown = graph.node('Add', [grown, sum]);
      sum = grown;
    }
    seen = graph.node('Concat', [seen, grown], { axis: 1 });
    from += growth;
  }
  const branch = convolution(graph, seen, `${name}.conv5`, { from, to: features });
  return addScaled(graph, input, branch, residualScale);
}

function addScaled(graph: GraphBuilder, input: Value, branch: Value, scale: number): Value {
  return graph.node('Add', [graph.node('Mul', [branch, graph.scalar(scale)]), input]);
}

function leaky(graph: GraphBuilder, input: Value): Value {
  return graph.node('LeakyRelu', [input], { alpha: LEAKY_SLOPE });
}
