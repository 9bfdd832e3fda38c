import { convolution, nearestUpsampling, pixelShuffle } from './convolution.ts';
import { createGraphBuilder, type Graph, type GraphOptions } from './onnx.ts';
import { createWinograd } from './winograd.ts';

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
  const { inputChannels, outputChannels, scale, features, convolutions } = config;
  const graph = createGraphBuilder('srvgg', options);
  const input = graph.input('input', ['batch', inputChannels, 'height', 'width']);
  let value = input;
  for (let layer = 0; layer <= convolutions; layer++) {
    const from = layer === 0 ? inputChannels : features;
    value = convolution(graph, value, `body.${2 * layer}`, { from, to: features });
    graph.probe(`block_conv${layer}`, value);
    const slopes = graph.weight(`body.${2 * layer + 1}.weight`, [features]);
    value = graph.node('PRelu', [value, graph.node('Unsqueeze', [slopes, graph.integers([1, 2])])]);
  }
  const last = `body.${2 * (convolutions + 1)}`;
  value = convolution(graph, value, last, { from: features, to: outputChannels * scale ** 2 });
  graph.probe(`block_conv${convolutions + 1}`, value);
  value = graph.node('Add', [pixelShuffle(graph, value, scale), nearestUpsampling(graph, input, scale)]);
  graph.output('output', value, ['batch', outputChannels, 'output_height', 'output_width']);
  return graph.build();
}

/**
 * The same network from the same tensors for CPUs, with half of the multiplications: see `createWinograd`. Differs from
 * `srvgg` by rounding. The width must be a multiple of WINOGRAD_COLUMNS.
 */
export function srvggByWinograd(config: SrvggConfig): Graph {
  const { inputChannels, outputChannels, scale, features, convolutions } = config;
  const graph = createGraphBuilder('srvgg');
  const winograd = createWinograd(graph);
  const input = graph.input('input', ['batch', inputChannels, 'height', 'width']);
  let columns = winograd.columnsOf(input, 'body.0', { from: inputChannels, to: features });
  for (let layer = 0; layer <= convolutions; layer++) {
    if (layer > 0) columns = winograd.convolution(columns, `body.${2 * layer}`, { from: features, to: features });
    columns = winograd.parametricRelu(columns, graph.weight(`body.${2 * layer + 1}.weight`, [features]), features);
  }
  const last = `body.${2 * (convolutions + 1)}`;
  columns = winograd.convolution(columns, last, { from: features, to: outputChannels * scale ** 2 });
  const correction = winograd.shuffle(columns, outputChannels, scale);
  const value = graph.node('Add', [correction, nearestUpsampling(graph, input, scale)]);
  graph.output('output', value, ['batch', outputChannels, 'output_height', 'output_width']);
  return graph.build();
}
