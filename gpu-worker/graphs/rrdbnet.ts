import { convolution, nearestUpsampling } from './convolution.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type Value } from './onnx.ts';

export interface RrdbnetConfig {
  features: number;
  /** Channels that each convolution of a dense block adds. */
  growth: number;
  blocks: number;
  /** Share of a branch that is added to its input, in dense blocks and around three of them. */
  residualScale: number;
}

export const REAL_ESRGAN_X4PLUS: RrdbnetConfig = { features: 64, growth: 32, blocks: 23, residualScale: 0.2 };

const LEAKY_SLOPE = 0.2;

/**
 * RRDBNet ×4: ESRGAN (Wang et al. 2018, section 3.1) as used by Real-ESRGAN (Wang et al. 2021, section 3.4).
 * `input` [batch, 3, h, w] → `output` [batch, 3, 4h, 4w], RGB 0..1, not clamped.
 */
export function rrdbnet(config: RrdbnetConfig): Graph {
  const { features, blocks } = config;
  const graph = createGraphBuilder('rrdbnet');
  const same = { from: features, to: features };
  const input = graph.input('input', ['batch', 3, 'height', 'width']);
  const shallow = convolution(graph, input, 'conv_first', { from: 3, to: features });
  let deep = shallow;
  for (let block = 0; block < blocks; block++) deep = residualInResidual(graph, deep, `body.${block}`, config);
  let value = graph.node('Add', [shallow, convolution(graph, deep, 'conv_body', same)]);
  for (const name of ['conv_up1', 'conv_up2']) {
    value = leaky(graph, convolution(graph, nearestUpsampling(graph, value, 2), name, same));
  }
  value = leaky(graph, convolution(graph, value, 'conv_hr', same));
  value = convolution(graph, value, 'conv_last', { from: features, to: 3 });
  graph.output('output', value, ['batch', 3, 'output_height', 'output_width']);
  return graph.build();
}

/** Three dense blocks in a row, scaled and added to their input. */
function residualInResidual(graph: GraphBuilder, input: Value, name: string, config: RrdbnetConfig): Value {
  let value = input;
  for (const block of ['rdb1', 'rdb2', 'rdb3']) value = denseBlock(graph, value, `${name}.${block}`, config);
  return addScaled(graph, input, value, config.residualScale);
}

/** Five convolutions; each sees the input and what all earlier ones made of it. */
function denseBlock(graph: GraphBuilder, input: Value, name: string, config: RrdbnetConfig): Value {
  const { features, growth, residualScale } = config;
  let seen = input;
  let from = features;
  for (const conv of ['conv1', 'conv2', 'conv3', 'conv4']) {
    const grown = leaky(graph, convolution(graph, seen, `${name}.${conv}`, { from, to: growth }));
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
