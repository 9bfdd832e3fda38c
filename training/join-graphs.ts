import { clone, create } from '@bufbuild/protobuf';
import { GraphProtoSchema, type ValueInfoProto } from 'onnx-buf';
import { type Graph, type Value, valueInfo } from '../gpu-worker/graphs/onnx.ts';

/**
 * One graph out of several: an output of one is the input of that name of a later one. Its outputs are those of all that
 * no later one takes. Nodes and constants have different names: `prefix` of the builders; weights may be shared.
 */
export function joinGraphs(name: string, graphs: readonly Graph[]): Graph {
  const taken = new Set(graphs.flatMap(({ proto }) => proto.input.map((input) => input.name)));
  const given = new Set(graphs.flatMap(({ proto }) => proto.output.map((output) => output.name)));
  const inputs = new Map<Value, ValueInfoProto>();
  for (const { proto } of graphs)
    for (const input of proto.input) if (!given.has(input.name)) inputs.set(input.name, input);
  return {
    proto: create(GraphProtoSchema, {
      name,
      node: graphs.flatMap(({ proto }) => proto.node),
      input: [...inputs.values()],
      output: graphs.flatMap(({ proto }) => proto.output.filter((output) => !taken.has(output.name))),
      initializer: graphs.flatMap(({ proto }) => proto.initializer),
    }),
    weights: new Map(graphs.flatMap(({ weights }) => [...weights])),
    transposed: new Set(graphs.flatMap(({ transposed }) => [...transposed])),
    weightType: graphs[0]!.weightType,
  };
}

/** With other names of values, inputs and outputs among them. */
export function withNames({ proto, ...rest }: Graph, names: Readonly<Record<Value, Value>>): Graph {
  const renamed = clone(GraphProtoSchema, proto);
  const nameOf = (value: Value) => names[value] ?? value;
  for (const node of renamed.node) {
    node.input = node.input.map(nameOf);
    node.output = node.output.map(nameOf);
  }
  for (const value of [...renamed.input, ...renamed.output]) value.name = nameOf(value.name);
  return { ...rest, proto: renamed };
}

/** The tensors of a checkpoint that are trained become inputs, in the layout of the graph; the others stay weights. */
export function withTrained(graph: Graph, isTrained: (name: string) => boolean): Graph {
  const proto = clone(GraphProtoSchema, graph.proto);
  const weights = new Map(graph.weights);
  for (const [name, shape] of graph.weights) {
    if (!isTrained(name)) continue;
    weights.delete(name);
    proto.input.push(valueInfo(name, graph.transposed.has(name) ? shape.toReversed() : shape));
  }
  return { ...graph, proto, weights };
}
