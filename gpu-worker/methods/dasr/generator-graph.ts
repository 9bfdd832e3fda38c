import { bilinearUpsampling, pixelShuffle } from '../../graphs/convolution.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from '../../graphs/onnx.ts';

export interface GeneratorSizes {
  features: number;
  blocks: number;
  experts: number;
}

const COLORS = 3;
const LEAKY_SLOPE = 0.1;

/**
 * Generator of DASR (Liang et al. 2022, `MSRResNetDynamic`): an SRResNet whose every kernel and bias is a sum of experts,
 * weighted by the photo's own `mixture`. `input` [1, 3, h, w] 0..1, `mixture` [1, experts] → `output` [1, 3, 4h, 4w], not
 * clamped. Tensors `name.weight` [experts, out, in, 3, 3], `name.bias` [experts, out].
 */
export function generatorGraph({ features, blocks, experts }: GeneratorSizes, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('dasr-generator', options);
  const input = graph.input('input', [1, COLORS, 'height', 'width']);
  const mixture = graph.wideInput('mixture', [1, experts]);
  const layer = (value: Value, name: string, { from = features, to = features } = {}) =>
    mixedConvolution(graph, value, mixture, name, { from, to, experts });
  const first = layer(input, 'conv_first', { from: COLORS });
  graph.probe('block_first', first);
  let value = leaky(graph, first);
  for (let block = 0; block < blocks; block++) {
    const inner = graph.node('Relu', [layer(value, `body.${block}.conv1`)]);
    value = graph.node('Add', [value, layer(inner, `body.${block}.conv2`)]);
    graph.probe(`block_body${block}`, value);
  }
  for (const number of [1, 2]) {
    value = layer(value, `upconv${number}`, { to: 4 * features });
    graph.probe(`block_up${number}`, value);
    value = leaky(graph, pixelShuffle(graph, value, 2));
  }
  value = layer(value, 'conv_hr');
  graph.probe('block_hr', value);
  value = layer(leaky(graph, value), 'conv_last', { to: COLORS });
  graph.probe('block_last', value);
  value = graph.node('Add', [value, bilinearUpsampling(graph, input, 4)]);
  graph.output('output', value, [1, COLORS, 'output_height', 'output_width']);
  return graph.build();
}

/** [1, from, h, w] → [1, to, h, w], padded with zeros. */
function mixedConvolution(
  graph: GraphBuilder,
  input: Value,
  mixture: Value,
  name: string,
  { from, to, experts }: { from: number; to: number; experts: number },
): Value {
  const kernel = mix(graph, mixture, `${name}.weight`, [experts, to, from, 3, 3]);
  const bias = mix(graph, mixture, `${name}.bias`, [experts, to]);
  return graph.node('Conv', [input, kernel, bias], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
}

/** The tensor [experts, ..] summed over the experts by their weights: in fp32, also where the layers compute in fp16. */
function mix(graph: GraphBuilder, mixture: Value, name: string, [experts, ...shape]: [number, ...number[]]): Value {
  const all = graph.widen(graph.weight(name, [experts, ...shape]));
  const flat = graph.node('Reshape', [all, graph.integers([experts, -1])]);
  const sum = graph.node('Reshape', [graph.node('MatMul', [mixture, flat]), graph.integers(shape)]);
  const mixed = graph.narrow(sum);
  graph.probe(`mixed_${name}`, mixed);
  return mixed;
}

function leaky(graph: GraphBuilder, input: Value): Value {
  return graph.node('LeakyRelu', [input], { alpha: LEAKY_SLOPE });
}
