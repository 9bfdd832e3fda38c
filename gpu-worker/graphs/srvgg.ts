import { convolution, nearestUpsampling } from './convolution.ts';
import { createGraphBuilder, type Graph } from './onnx.ts';
import { createWinograd } from './winograd.ts';

export interface SrvggConfig {
  features: number;
  /** Convolutions between the first and the last. */
  convolutions: number;
}

/** realesr-general-x4v3 and its -wdn variant. */
export const REAL_ESRGAN_GENERAL_X4V3: SrvggConfig = { features: 64, convolutions: 32 };

const SCALE = 4;

/**
 * SRVGGNetCompact ×4 (github.com/xinntao/Real-ESRGAN): convolutions at the size of the input, a pixel shuffle, and the
 * input itself, repeated, as the base that they correct.
 * `input` [batch, 3, h, w] → `output` [batch, 3, 4h, 4w], RGB 0..1, not clamped.
 */
export function srvgg({ features, convolutions }: SrvggConfig): Graph {
  const graph = createGraphBuilder('srvgg');
  const input = graph.input('input', ['batch', 3, 'height', 'width']);
  let value = input;
  for (let layer = 0; layer <= convolutions; layer++) {
    value = convolution(graph, value, `body.${2 * layer}`, { from: layer === 0 ? 3 : features, to: features });
    const slopes = graph.weight(`body.${2 * layer + 1}.weight`, [features]);
    value = graph.node('PRelu', [value, graph.node('Unsqueeze', [slopes, graph.integers([1, 2])])]);
  }
  const last = `body.${2 * (convolutions + 1)}`;
  value = convolution(graph, value, last, { from: features, to: 3 * SCALE * SCALE });
  value = graph.node('DepthToSpace', [value], { blocksize: SCALE, mode: 'CRD' });
  value = graph.node('Add', [value, nearestUpsampling(graph, input, SCALE)]);
  graph.output('output', value, ['batch', 3, 'output_height', 'output_width']);
  return graph.build();
}

/**
 * The same network from the same tensors for CPUs, with half of the multiplications: see `createWinograd`. Differs from
 * `srvgg` by rounding. The width must be a multiple of WINOGRAD_COLUMNS.
 */
export function srvggByWinograd({ features, convolutions }: SrvggConfig): Graph {
  const graph = createGraphBuilder('srvgg');
  const winograd = createWinograd(graph);
  const input = graph.input('input', ['batch', 3, 'height', 'width']);
  let columns = winograd.columnsOf(input, 'body.0', { from: 3, to: features });
  for (let layer = 0; layer <= convolutions; layer++) {
    if (layer > 0) columns = winograd.convolution(columns, `body.${2 * layer}`, { from: features, to: features });
    columns = winograd.parametricRelu(columns, graph.weight(`body.${2 * layer + 1}.weight`, [features]), features);
  }
  const last = `body.${2 * (convolutions + 1)}`;
  columns = winograd.convolution(columns, last, { from: features, to: 3 * SCALE * SCALE });
  const value = graph.node('Add', [winograd.shuffle(columns, SCALE), nearestUpsampling(graph, input, SCALE)]);
  graph.output('output', value, ['batch', 3, 'output_height', 'output_width']);
  return graph.build();
}
