import type { GraphProto } from 'onnx-buf';
import type { GraphBuilder, Value } from '../../gpu-worker/graphs/onnx.ts';
import { dependentValues } from './activity.ts';

interface RecomputeOptions {
  /** The piece of each node. */
  pieces: readonly number[];
  /** Inputs of the graph that are no data: trained tensors. */
  leaves: ReadonlySet<Value>;
  /** The gradients of leaves that were made since it was asked last. */
  finished(): Value[];
}

/**
 * Gives the name under which the gradient of a node reads a value (Chen et al. 2016): one inside a piece is computed again from
 * the values that entered the piece, all others are kept. ONNX Runtime chooses the order of nodes by their inputs
 * alone. So what enters a piece again passes a gate: zero times a number of every gradient that has to be there first is
 * added. Else all pieces would be computed again at the start, and nothing would be saved. The last piece is not
 * computed again: its values are still there.
 */
export function createRecomputation(
  graph: GraphBuilder,
  proto: GraphProto,
  { pieces, leaves, finished }: RecomputeOptions,
): (value: Value, reader: number, upstream: Value) => Value {
  const makers = new Map(proto.node.flatMap(({ output }, index) => output.map((value) => [value, index] as const)));
  const data = proto.input.map(({ name }) => name).filter((name) => !leaves.has(name));
  const changing = dependentValues(proto.node, data);
  const last = pieces.at(-1);
  let piece = last;
  let gate: Value = '';
  let copies = new Map<Value, Value>();

  return (value, reader, upstream) => {
    if (pieces[reader] !== piece) {
      piece = pieces[reader];
      gate = gateBehind([upstream, ...finished()]);
      copies = new Map();
    }
    return piece !== last && isInside(value) ? copyOf(value) : value;
  };

  function isInside(value: Value): boolean {
    const maker = makers.get(value);
    return maker !== undefined && pieces[maker] === piece && changing.has(value);
  }

  function copyOf(value: Value): Value {
    const found = copies.get(value);
    if (found !== undefined) return found;
    if (!changing.has(value)) return value;
    if (!isInside(value)) {
      const passed = graph.node('Add', [value, gate]);
      copies.set(value, passed);
      return passed;
    }
    const { opType, input, output, attribute } = proto.node[makers.get(value)!]!;
    const made = graph.nodes(
      opType,
      input.map((one) => one && copyOf(one)),
      output.length,
    );
    graph.build().proto.node.at(-1)!.attribute = attribute;
    for (const [index, original] of output.entries()) copies.set(original, made[index]!);
    return copies.get(value)!;
  }

  /** [1], zero, there when all of `values` are. */
  function gateBehind(values: readonly Value[]): Value {
    const firsts = values.map((value) => {
      const flat = graph.node('Reshape', [value, graph.integers([-1])]);
      return graph.node('Slice', [flat, graph.integers([0]), graph.integers([1])]);
    });
    return graph.node('Mul', [graph.node('Sum', firsts), graph.scalar(0)]);
  }
}
