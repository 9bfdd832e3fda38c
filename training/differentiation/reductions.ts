import type { Value } from '../../gpu-worker/graphs/onnx.ts';
import { AppError } from '../../shared/error.ts';
import { absoluteAxis, type ForwardNode, product, type Rules, range, reshape } from './forward-node.ts';

/** Operators that make one number of many, or many of one. */
export const REDUCTIONS: Rules = {
  ReduceMean: (node) => [() => node.graph.node('Mul', [spreadBack(node), node.graph.scalar(1 / reducedCount(node))])],
  ReduceSum: (node) => [() => spreadBack(node)],
  GlobalAveragePool: (node) => [
    () => node.graph.node('Mul', [spreadBack(node, [2, 3]), node.graph.scalar(1 / reducedCount(node, [2, 3]))]),
  ],

  /** Nearest, by two matrices of zeros and ones: output o reads input ⌊o · in / out⌋. */
  Resize: (node) => [
    () => {
      const { graph, attributes, upstream } = node;
      const [from, to] = [node.inputShapes[0]!, node.outputShapes[0]!];
      const isKnown =
        attributes.text('mode', 'nearest') === 'nearest' &&
        attributes.text('coordinate_transformation_mode', 'half_pixel') === 'asymmetric' &&
        attributes.text('nearest_mode', 'round_prefer_floor') === 'floor';
      if (!isKnown || from.length !== 4 || `${from.slice(0, 2)}` !== `${to.slice(0, 2)}`) {
        throw new AppError('invalid', `Resize other than by nearest pixels has no gradient here (${node.name}).`);
      }
      const byColumn = graph.node('MatMul', [upstream, readers(node, from[3]!, to[3]!)]);
      return product(graph, readers(node, from[2]!, to[2]!), byColumn, { transA: 1 });
    },
  ],
};

/** [to, from]: 1 where an output reads an input. */
function readers({ graph }: ForwardNode, from: number, to: number): Value {
  const matrix = new Float32Array(to * from);
  for (const row of range(to)) matrix[row * from + Math.floor((row * from) / to)] = 1;
  return graph.tensor([to, from], matrix);
}

function reducedAxes(node: ForwardNode): readonly number[] {
  const rank = node.inputShapes[0]!.length;
  const axes = node.hasInput(1) ? node.constant(1) : undefined;
  if (node.hasInput(1) && !axes)
    throw new AppError('invalid', `The axes of ${node.name} are computed: no gradient here.`);
  if (!axes || axes.length === 0) return node.attributes.integer('noop_with_empty_axes', 0) === 1 ? [] : range(rank);
  return axes.map((axis) => absoluteAxis(axis, rank));
}

function reducedCount(node: ForwardNode, axes = reducedAxes(node)): number {
  return axes.reduce((count, axis) => count * node.inputShapes[0]![axis]!, 1);
}

/** The upstream gradient at every place that was summed. */
function spreadBack(node: ForwardNode, axes = reducedAxes(node)): Value {
  const [shape] = node.inputShapes as [readonly number[]];
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return node.graph.node('Expand', [reshape(node.graph, node.upstream, kept), node.graph.integers([...shape])]);
}
