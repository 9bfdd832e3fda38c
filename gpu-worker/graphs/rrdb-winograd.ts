import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions } from './onnx.ts';
import { type Columns, createWinograd, type Winograd } from './winograd.ts';

interface Block {
  /** Of the graph. */
  input: string;
  /** In front of the names of its tensors. */
  name: string;
  features: number;
  growth: number;
  residualScale: number;
  leakySlope: number;
}

/**
 * A residual block of `rrdbnet` from the same tensors for CPUs, with half of the multiplications: see `createWinograd`.
 * What Winograd's algorithm sees of a feature is shared by all convolutions of a dense block.
 * `input` [batch, features, h, w], w a multiple of WINOGRAD_COLUMNS → `output`, of the same sizes.
 */
export function rrdbByWinograd(block: Block, options: GraphOptions = {}): Graph {
  const { features } = block;
  const graph = createGraphBuilder('rrdbnet_block', options);
  const shape = ['batch', features, 'height', 'width'];
  const winograd = createWinograd(graph);
  const input = winograd.apart(graph.input(block.input, shape), features);
  let value = input;
  for (const dense of ['rdb1', 'rdb2', 'rdb3']) {
    value = denseBlock(graph, winograd, value, { ...block, name: `${block.name}.${dense}` });
  }
  const columns = winograd.add(input, value, { channels: features, scale: block.residualScale });
  graph.output('output', winograd.shuffle(columns, features, 1), shape);
  return graph.build();
}

function denseBlock(graph: GraphBuilder, winograd: Winograd, input: Columns, block: Block): Columns {
  const { name, features, growth, residualScale, leakySlope } = block;
  let seen = winograd.see(input, features);
  let from = features;
  for (const conv of ['conv1', 'conv2', 'conv3', 'conv4']) {
    const convolved = winograd.convolutionOf(seen, `${name}.${conv}`, { from, to: growth });
    const grown = winograd.see(winograd.leakyRelu(convolved, leakySlope, growth), growth);
    seen = seen.map((value, point) => graph.node('Concat', [value, grown[point]!], { axis: 1 }));
    from += growth;
  }
  const branch = winograd.convolutionOf(seen, `${name}.conv5`, { from, to: features, scale: residualScale });
  return winograd.add(input, branch, { channels: features });
}
