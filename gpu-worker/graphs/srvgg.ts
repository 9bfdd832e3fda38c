import { convolution, nearestUpsampling, pixelShuffle } from './convolution.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions } from './onnx.ts';
import type { Stage } from './stage.ts';
import { type Columns, createWinograd } from './winograd.ts';

export interface SrvggConfig {
  /** Of the picture: 1 gray, 3 RGB, 4 RGB and alpha. Where they differ, the input has 1. */
  inputChannels: number;
  outputChannels: number;
  scale: number;
  features: number;
  /** Convolutions between the first and the last. */
  convolutions: number;
}

/** realesr-general-x4v3 and its -wdn variant. */
export const REAL_ESRGAN_GENERAL_X4V3: SrvggConfig = {
  inputChannels: 3,
  outputChannels: 3,
  scale: 4,
  features: 64,
  convolutions: 32,
};

/**
 * SRVGGNetCompact (github.com/xinntao/Real-ESRGAN): convolutions at the size of the input, a pixel shuffle, and the
 * input itself, repeated, as the base that they correct.
 * `input` [batch, in, h, w] 0..1 → `output` [batch, out, scale·h, scale·w], not clamped.
 */
export function srvgg(config: SrvggConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('srvgg', options);
  plainLayers(graph, config, { first: 0, end: layerCount(config) });
  return graph.build();
}

/**
 * The same network from the same tensors for CPUs, with half of the multiplications: see `createWinograd`. Differs from
 * `srvgg` by rounding. The width must be a multiple of WINOGRAD_COLUMNS.
 */
export function srvggByWinograd(config: SrvggConfig): Graph {
  const graph = createGraphBuilder('srvgg');
  winogradLayers(graph, config, { first: 0, end: layerCount(config) });
  return graph.build();
}

/** Of a stage: its tiles then overlap by little, and there are few stages. */
const MOST_CONVOLUTIONS = 9;

/** The same network in stages of about as many convolutions. */
export function srvggStages(config: SrvggConfig, options: GraphOptions = {}): Stage[] {
  const layers = layerCount(config);
  const count = Math.ceil(layers / MOST_CONVOLUTIONS);
  return Array.from({ length: count }, (_, stage) => {
    const [first, end] = [stage, stage + 1].map((at) => Math.floor((at * layers) / count)) as [number, number];
    const [plain, byWinograd] = [plainLayers, winogradLayers].map((layersOf) => {
      const graph = createGraphBuilder('srvgg_stage', options);
      layersOf(graph, config, { first, end });
      return graph.build();
    }) as [Graph, Graph];
    const isLast = end === layers;
    return {
      graph: plain,
      byWinograd,
      gives: isLast ? 'output' : 'features',
      context: end - first,
      scale: isLast ? config.scale : 1,
    };
  });
}

/** Convolutions from `first` up to and without `end`. */
interface Layers {
  first: number;
  end: number;
}

function layerCount({ convolutions }: SrvggConfig): number {
  return convolutions + 2;
}

/** The picture, and what the first of the layers takes. */
function inputsOf(graph: GraphBuilder, config: SrvggConfig, { first, end }: Layers) {
  const { inputChannels, features } = config;
  const picture = () => graph.input('input', ['batch', inputChannels, 'height', 'width']);
  if (first === 0) {
    const input = picture();
    return { input, value: input };
  }
  const value = graph.input('features', ['batch', features, 'height', 'width']);
  return { input: end === layerCount(config) ? picture() : '', value };
}

function plainLayers(graph: GraphBuilder, config: SrvggConfig, layers: Layers): void {
  const { inputChannels, outputChannels, scale, features, convolutions } = config;
  const { input, value: given } = inputsOf(graph, config, layers);
  let value = given;
  for (let layer = layers.first; layer < Math.min(layers.end, convolutions + 1); layer++) {
    const from = layer === 0 ? inputChannels : features;
    value = convolution(graph, value, `body.${2 * layer}`, { from, to: features });
    graph.probe(`block_conv${layer}`, value);
    const slopes = graph.weight(`body.${2 * layer + 1}.weight`, [features]);
    value = graph.node('PRelu', [value, graph.node('Unsqueeze', [slopes, graph.integers([1, 2])])]);
  }
  if (layers.end < layerCount(config)) {
    graph.output('output', value, ['batch', features, 'height', 'width']);
    return;
  }
  const last = `body.${2 * (convolutions + 1)}`;
  value = convolution(graph, value, last, { from: features, to: outputChannels * scale ** 2 });
  graph.probe(`block_conv${convolutions + 1}`, value);
  value = graph.node('Add', [pixelShuffle(graph, value, scale), nearestUpsampling(graph, input, scale)]);
  graph.output('output', value, ['batch', outputChannels, 'output_height', 'output_width']);
}

function winogradLayers(graph: GraphBuilder, config: SrvggConfig, layers: Layers): void {
  const { inputChannels, outputChannels, scale, features, convolutions } = config;
  const winograd = createWinograd(graph);
  const { input, value } = inputsOf(graph, config, layers);
  const activate = (columns: Columns, layer: number) =>
    winograd.parametricRelu(columns, graph.weight(`body.${2 * layer + 1}.weight`, [features]), features);
  let layer = layers.first;
  let columns: Columns;
  if (layer === 0) {
    columns = activate(winograd.columnsOf(value, 'body.0', { from: inputChannels, to: features }), 0);
    layer++;
  } else columns = winograd.apart(value, features);
  for (; layer < Math.min(layers.end, convolutions + 1); layer++) {
    columns = activate(winograd.convolution(columns, `body.${2 * layer}`, { from: features, to: features }), layer);
  }
  if (layers.end < layerCount(config)) {
    graph.output('output', winograd.shuffle(columns, features, 1), ['batch', features, 'height', 'width']);
    return;
  }
  const last = `body.${2 * (convolutions + 1)}`;
  columns = winograd.convolution(columns, last, { from: features, to: outputChannels * scale ** 2 });
  const correction = winograd.shuffle(columns, outputChannels, scale);
  const sum = graph.node('Add', [correction, nearestUpsampling(graph, input, scale)]);
  graph.output('output', sum, ['batch', outputChannels, 'output_height', 'output_width']);
}
