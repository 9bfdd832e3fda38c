import { create } from '@bufbuild/protobuf';
import { type NodeProto, NodeProtoSchema } from 'onnx-buf';
import { createGraphBuilder, type Graph, type Value, valueInfo } from '../../gpu-worker/graphs/onnx.ts';
import { findLinear } from '../alter-graph.ts';
import { attributesOf } from '../differentiation/attributes.ts';

/**
 * Multiplies the shares of the attention in front of the linear layer `layer` by an input [batch, heads, n, m]. Fused attention
 * keeps its shares to itself: plain nodes take its place. Changes the graph.
 */
export function dropShares(graph: Graph, layer: string, mask: Value, shape: readonly number[]): void {
  const { node: nodes, initializer, input } = graph.proto;
  const attended = findLinear(graph, layer).input;
  const place = nodes.findIndex(({ output }) => output[0] === attended);
  const plain = plainAttention(nodes[place]!, mask, layer);
  nodes.splice(place, 1, ...plain.node);
  initializer.push(...plain.initializer);
  input.push(valueInfo(mask, shape));
}

function plainAttention(node: NodeProto, mask: Value, layer: string) {
  const graph = createGraphBuilder('attention', { prefix: `/drop/${layer}` });
  const heads = attributesOf(node).integer('num_heads', 1);
  const apart = (value: Value, perm: number[]) => {
    return graph.node('Transpose', [graph.node('Reshape', [value, graph.integers([0, 0, heads, -1])])], { perm });
  };
  const [query, key, value] = node.input as [Value, Value, Value];
  const queries = apart(query, [0, 2, 1, 3]);
  const width = graph.node('Shape', [queries], { start: 3, end: 4 });
  const root = graph.node('Sqrt', [graph.toFloat(width)]);
  const scores = graph.node('MatMul', [graph.node('Div', [queries, root]), apart(key, [0, 2, 3, 1])]);
  const shares = graph.node('Mul', [graph.node('Softmax', [scores], { axis: -1 }), mask]);
  const together = graph.node('Transpose', [graph.node('MatMul', [shares, apart(value, [0, 2, 1, 3])])], {
    perm: [0, 2, 1, 3],
  });
  const joined = graph.node('Reshape', [together, graph.integers([0, 0, -1])]);
  const { node: nodes, initializer } = graph.build().proto;
  nodes.push(create(NodeProtoSchema, { opType: 'Identity', input: [joined], output: [node.output[0]!] }));
  return { node: nodes, initializer };
}
