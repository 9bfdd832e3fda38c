import type { GraphBuilder, Value } from '../../gpu-worker/graphs/onnx.ts';

/** One node of a graph, as the rule of its operator sees it when gradients are made. All shapes are known. */
export interface ForwardNode {
  readonly name: string;
  /** Collects the nodes of the gradients. */
  readonly graph: GraphBuilder;
  /** Names under which the values of the node can be read; asking may make one be computed again. */
  input(index: number): Value;
  output(index?: number): Value;
  /** How many inputs are named; one in between may be left out. */
  readonly inputCount: number;
  hasInput(index: number): boolean;
  readonly inputShapes: readonly (readonly number[])[];
  readonly outputShapes: readonly (readonly number[])[];
  /** The gradients of the loss with respect to its outputs; undefined for an output that nobody reads. */
  readonly upstreams: readonly (Value | undefined)[];
  /** That of the first output, for operators that have one. */
  readonly upstream: Value;
  /** Whether the gradient of an input is wanted: that of a frozen one never is. */
  needs(index: number): boolean;
  /** Numbers of an input that the graph itself says, undefined where it is computed. */
  constant(index: number): readonly number[] | undefined;
  readonly attributes: Attributes;
}

/** Attributes by name, or what ONNX takes in their absence. */
export interface Attributes {
  integer(name: string, absent: number): number;
  float(name: string, absent: number): number;
  integers(name: string, absent: readonly number[]): readonly number[];
  text(name: string, absent: string): string;
}

/**
 * Makes the gradients of the inputs of a node, each only where it is needed, and as large as its input. An input without
 * a function has no gradient: whole numbers, conditions.
 */
export type Rule = (node: ForwardNode) => readonly ((() => Value) | undefined)[];
export type Rules = Readonly<Record<string, Rule>>;

/** Adds up along the axes that broadcasting added or stretched: `shape` → `target`. */
export function unspread(
  graph: GraphBuilder,
  value: Value,
  shape: readonly number[],
  target: readonly number[],
): Value {
  if (`${shape}` === `${target}`) return value;
  const added = shape.length - target.length;
  const axes = shape.flatMap((size, axis) =>
    axis < added || (target[axis - added] === 1 && size !== 1) ? [axis] : [],
  );
  const summed = axes.length === 0 ? value : sum(graph, value, axes);
  const left = shape.filter((_, axis) => !axes.includes(axis));
  return `${left}` === `${target}` ? summed : reshape(graph, summed, target);
}

/** Sums along axes, which are dropped unless `keepdims` is 1. */
export function sum(graph: GraphBuilder, value: Value, axes: readonly number[], keepdims = 0): Value {
  return graph.node('ReduceSum', [value, graph.integers([...axes])], { keepdims });
}

export function reshape(graph: GraphBuilder, value: Value, shape: readonly number[]): Value {
  return graph.node('Reshape', [value, graph.integers([...shape])]);
}

export function zeros(graph: GraphBuilder, shape: readonly number[]): Value {
  return graph.node('ConstantOfShape', [graph.integers([...shape])]);
}

/** a · b of the last two axes, with either of them transposed, times `alpha`; no transposed copy is made. */
export function product(
  graph: GraphBuilder,
  a: Value,
  b: Value,
  { transA = 0, transB = 0, alpha = 1 }: { transA?: 0 | 1; transB?: 0 | 1; alpha?: number },
): Value {
  return graph.node('FusedMatMul', [a, b], { transA, transB, alpha: { float: alpha } });
}

/** The axis itself for one that is counted from the end. */
export function absoluteAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
