import { convolution, nearestUpsampling } from './convolution.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type Value } from './onnx.ts';

export interface SrvggConfig {
  features: number;
  /** Convolutions between the first and the last. */
  convolutions: number;
  /** That no slope of the activations exceeds 1: then a faster form of them gives the same. */
  slopesAtMostOne: boolean;
}

/** realesr-general-x4v3 and its -wdn variant. */
export const REAL_ESRGAN_GENERAL_X4V3 = { features: 64, convolutions: 32 };

const SCALE = 4;

/** Names of the tensors that hold the slopes of the activations, one number a channel. */
export function slopeNames(convolutions: number): string[] {
  return Array.from({ length: convolutions + 1 }, (_, index) => `body.${2 * index + 1}.weight`);
}

/**
 * SRVGGNetCompact ×4 (github.com/xinntao/Real-ESRGAN): convolutions at the size of the input, a pixel shuffle, and the
 * input itself, repeated, as the base that they correct.
 * `input` [batch, 3, h, w] → `output` [batch, 3, 4h, 4w], RGB 0..1, not clamped.
 */
export function srvgg(config: SrvggConfig): Graph {
  const { features, convolutions } = config;
  const graph = createGraphBuilder('srvgg');
  const input = graph.input('input', ['batch', 3, 'height', 'width']);
  let value = input;
  for (const [index, slopes] of slopeNames(convolutions).entries()) {
    const from = index === 0 ? 3 : features;
    value = convolution(graph, value, `body.${2 * index}`, { from, to: features });
    value = parametricRelu(graph, value, slopes, config);
  }
  const last = `body.${2 * (convolutions + 1)}`;
  value = convolution(graph, value, last, { from: features, to: 3 * SCALE * SCALE });
  value = graph.node('DepthToSpace', [value], { blocksize: SCALE, mode: 'CRD' });
  value = graph.node('Add', [value, nearestUpsampling(graph, input, SCALE)]);
  graph.output('output', value, ['batch', 3, 'output_height', 'output_width']);
  return graph.build();
}

/** x where positive, slope·x elsewhere. ONNX Runtime's own PRelu takes more than three times as long as the maximum. */
function parametricRelu(graph: GraphBuilder, input: Value, name: string, config: SrvggConfig): Value {
  const perChannel = graph.weight(name, [config.features]);
  const slopes = graph.node('Unsqueeze', [perChannel, graph.integers([1, 2])]);
  return config.slopesAtMostOne
    ? graph.node('Max', [input, graph.node('Mul', [input, slopes])])
    : graph.node('PRelu', [input, slopes]);
}
