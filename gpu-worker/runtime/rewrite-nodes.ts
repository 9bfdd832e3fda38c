import { create } from '@bufbuild/protobuf';
import { type GraphProto, type NodeProto, NodeProtoSchema, type TensorProto } from 'onnx-buf';
import { createGraphBuilder, type GraphBuilder, type Value } from '../graphs/onnx.ts';

/** A node of a model, and what is known of its inputs. */
export interface Rewritten {
  /** Of the nodes that stand in its place. */
  graph: GraphBuilder;
  node: NodeProto;
  constants: ReadonlyMap<string, TensorProto>;
}

/**
 * Puts others in the place of nodes: those that `rewrite` adds to the graph that it is given; it returns the values of the
 * outputs, or undefined to leave the node. Returns whether there is any.
 */
export function rewriteNodes(proto: GraphProto, rewrite: (rewritten: Rewritten) => Value[] | undefined): boolean {
  const constants = constantsOf(proto);
  let isRewritten = false;
  proto.node = proto.node.flatMap((node) => {
    // A name may be missing; that of an output is there once.
    const prefix = node.output[0]!;
    const graph = createGraphBuilder(prefix, { prefix });
    const values = rewrite({ graph, node, constants });
    if (!values) return [node];
    isRewritten = true;
    const part = graph.build().proto;
    proto.initializer.push(...part.initializer);
    proto.valueInfo.push(...part.valueInfo);
    return [...part.node, ...values.map((value, index) => identity(value, node.output[index]!))];
  });
  return isRewritten;
}

/** Tensors that a model brings, also by the names of their casts. */
export function constantsOf({ initializer, node }: GraphProto): Map<string, TensorProto> {
  const constants = new Map(initializer.map((tensor) => [tensor.name, tensor]));
  for (const { opType, input, output } of node) {
    const tensor = opType === 'Cast' ? constants.get(input[0]!) : undefined;
    if (tensor) constants.set(output[0]!, tensor);
  }
  return constants;
}

function identity(input: Value, output: Value): NodeProto {
  return create(NodeProtoSchema, { opType: 'Identity', input: [input], output: [output] });
}
