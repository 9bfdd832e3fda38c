import type { GraphProto, NodeProto, TensorProto } from 'onnx-buf';
import { createGraphBuilder, type Graph, type GraphBuilder, type Value } from '../../gpu-worker/graphs/onnx.ts';
import { AppError } from '../../shared/error.ts';
import { activeValues } from './activity.ts';
import { attributesOf } from './attributes.ts';
import type { ForwardNode } from './forward-node.ts';
import { createRecomputation } from './recompute.ts';
import { RULES } from './rules.ts';
import type { Shapes } from './shapes.ts';
import { createTotals } from './totals.ts';

interface DifferentiateOptions {
  /** The gradient with respect to each of these values of the loss that follows, by name; 1 for the loss itself. */
  upstream: ReadonlyMap<Value, Value | 1>;
  /** Inputs of the graph, or values on the way. */
  wanted: readonly Value[];
  /** Of all values. */
  shapes: Shapes;
  /** The piece that each node belongs to: values inside all but the last piece are computed again. Default: none is. */
  pieces?: readonly number[] | undefined;
}

/** Nodes to add behind those of a graph, and the names of the gradients; a value that the loss does not see has none. */
interface Gradients {
  nodes: GraphProto;
  of: ReadonlyMap<Value, Value>;
}

/**
 * Reverse-mode differentiation (Griewank and Walther 2008, chapter 3) of a graph whose shapes are known: the nodes in reverse
 * order, each by the rule of its operator; gradients of a value that several nodes read add up. Only what lies between
 * `wanted` and the loss gets a gradient. Throws AppError `invalid` that names an operator without a rule.
 */
export function differentiate({ proto }: Graph, options: DifferentiateOptions): Gradients {
  const { upstream, wanted, shapes, pieces } = options;
  const graph = createGraphBuilder('gradients', { prefix: '/gradient' });
  const active = activeValues(proto.node, wanted);
  const constants = new Map(proto.initializer.map((tensor) => [tensor.name, tensor]));
  const leaves = new Set(wanted);
  const totals = createTotals(graph);
  for (const [value, given] of upstream)
    if (active.has(value)) totals.add(value, given === 1 ? graph.scalar(1) : given);
  /** Gradients of leaves since the last piece began. */
  const finished: Value[] = [];
  const again = pieces && createRecomputation(graph, proto, { pieces, leaves, finished: () => finished.splice(0) });

  for (const [index, node] of [...proto.node.entries()].toReversed()) {
    if (!node.input.some((value) => active.has(value))) continue;
    const upstreams = node.output.map((value) => totals.get(value));
    const first = upstreams.find((value) => value !== undefined);
    if (first === undefined) continue;
    const rule = RULES[node.opType];
    if (!rule) throw new AppError('invalid', `The operator ${node.opType} has no gradient here (${node.name}).`);
    const read = (value: Value) => again?.(value, index, first) ?? value;
    const seen = forwardNode(node, { graph, read, shapes, constants });
    const needs = (place: number) => active.has(node.input[place] ?? '');
    for (const [place, part] of rule({ ...seen, upstreams, upstream: first, needs }).entries()) {
      if (!part || !needs(place)) continue;
      const gradient = part();
      totals.add(node.input[place]!, gradient);
      if (leaves.has(node.input[place]!)) finished.push(gradient);
    }
  }
  const found = wanted.map((value) => [value, totals.get(value)] as const);
  return {
    nodes: graph.build().proto,
    of: new Map(found.filter((pair): pair is [Value, Value] => pair[1] !== undefined)),
  };
}

interface Surroundings {
  graph: GraphBuilder;
  read(value: Value): Value;
  shapes: Shapes;
  constants: ReadonlyMap<Value, TensorProto>;
}

function forwardNode(
  node: NodeProto,
  { graph, read, shapes, constants }: Surroundings,
): Omit<ForwardNode, 'upstream' | 'upstreams' | 'needs'> {
  const { name, input, output } = node;
  const shapesOf = (values: readonly Value[]) => values.map((value) => shapes.get(value) ?? []);
  return {
    name,
    graph,
    input: (index) => read(input[index]!),
    output: (index = 0) => read(output[index]!),
    inputCount: input.length,
    hasInput: (index) => Boolean(input[index]),
    inputShapes: shapesOf(input),
    outputShapes: shapesOf(output),
    constant: (index) => numbersOf(constants.get(input[index]!)),
    attributes: attributesOf(node),
  };
}

/** Of a constant as graph builders write it. */
function numbersOf(tensor: TensorProto | undefined): number[] | undefined {
  return tensor && [...tensor.int64Data.map(Number), ...tensor.floatData];
}
