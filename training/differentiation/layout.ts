import type { GraphBuilder, Value } from '../../gpu-worker/graphs/onnx.ts';
import { AppError } from '../../shared/error.ts';
import {
  absoluteAxis,
  type ForwardNode,
  type Rule,
  type Rules,
  range,
  reshape,
  unspread,
  zeros,
} from './forward-node.ts';

/** Back to the shape of the input. */
const reshaped: Rule = (node) => [() => reshape(node.graph, node.upstream, node.inputShapes[0]!)];

/** Operators that move numbers and compute none. */
export const LAYOUT: Rules = {
  Reshape: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Expand: (node) => [() => unspread(node.graph, node.upstream, node.outputShapes[0]!, node.inputShapes[0]!)],

  Transpose: (node) => [
    () => {
      const reversed = range(node.inputShapes[0]!.length).toReversed();
      const order = node.attributes.integers('perm', reversed);
      return node.graph.node('Transpose', [node.upstream], { perm: inverseOf(order) });
    },
  ],

  Concat(node) {
    const axis = absoluteAxis(node.attributes.integer('axis', 0), node.outputShapes[0]!.length);
    let start = 0;
    return node.inputShapes.map((shape) => {
      const from = start;
      start += shape[axis]!;
      return () => slice(node.graph, node.upstream, axis, from, from + shape[axis]!);
    });
  },

  Split: (node) => [
    () => {
      const parts = node.upstreams.map((upstream, index) => upstream ?? zeros(node.graph, node.outputShapes[index]!));
      return node.graph.node('Concat', parts, { axis: node.attributes.integer('axis', 0) });
    },
  ],

  Slice: (node) => [
    () => {
      const { graph, inputShapes } = node;
      const [shape] = inputShapes as [readonly number[]];
      let value = node.upstream;
      const before = shape.map(() => 0);
      const after = shape.map(() => 0);
      for (const { axis, start, step, count } of slicesOf(node)) {
        const size = shape[axis]!;
        if (step === 1) {
          before[axis] = start;
          after[axis] = size - start - count;
        } else {
          const places = range(count).map((index) => start + index * step);
          value = scatter(graph, value, axis, graph.integers(places), size, node.outputShapes[0]!.length);
        }
      }
      const pads = [...before, ...after];
      return pads.every((width) => width === 0) ? value : graph.node('Pad', [value, graph.integers(pads)]);
    },
  ],

  Pad: (node) => [
    () => {
      const pads = known(node, 1);
      const [shape] = node.inputShapes as [readonly number[]];
      if (
        node.attributes.text('mode', 'constant') !== 'constant' ||
        node.hasInput(3) ||
        pads.some((width) => width < 0)
      ) {
        throw new AppError('invalid', `Pad other than with zeros around all axes has no gradient here (${node.name}).`);
      }
      const starts = pads.slice(0, shape.length);
      const ends = starts.map((start, axis) => start + shape[axis]!);
      const lists = [starts, ends, range(shape.length)].map((list) => node.graph.integers([...list]));
      return node.graph.node('Slice', [node.upstream, ...lists]);
    },
  ],

  /** Rows that were read several times add up. */
  Gather: (node) => [
    () => {
      const { graph, upstream } = node;
      const [shape, indicesShape] = node.inputShapes as [readonly number[], readonly number[]];
      const axis = absoluteAxis(node.attributes.integer('axis', 0), shape.length);
      const order = node.constant(1);
      if (order && indicesShape.length === 1 && isPermutation(order, shape[axis]!)) {
        return graph.node('Gather', [upstream, graph.integers(inverseOf(order))], { axis });
      }
      const rank = node.outputShapes[0]!.length;
      if (axis > 0 && indicesShape.length !== 1) {
        throw new AppError('invalid', `Gather of a table along axis ${axis} has no gradient here (${node.name}).`);
      }
      if (axis > 0) return scatter(graph, upstream, axis, node.input(1), shape[axis]!, rank);
      return scatterRows(graph, upstream, node.input(1), shape);
    },
  ],

  DepthToSpace: (node) => [
    () => {
      const side = node.attributes.integer('blocksize', 1);
      const [batch, channels, height, width] = node.outputShapes[0] as [number, number, number, number];
      const blocks = reshape(node.graph, node.upstream, [batch, channels, height / side, side, width / side, side]);
      const isInColumns = node.attributes.text('mode', 'DCR') === 'CRD';
      const perm = isInColumns ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
      return reshape(node.graph, node.graph.node('Transpose', [blocks], { perm }), node.inputShapes[0]!);
    },
  ],
  SpaceToDepth: (node) => [
    () =>
      node.graph.node('DepthToSpace', [node.upstream], {
        blocksize: node.attributes.integer('blocksize', 1),
        mode: 'DCR',
      }),
  ],
};

interface AxisSlice {
  axis: number;
  start: number;
  step: number;
  count: number;
}

function slicesOf(node: ForwardNode): AxisSlice[] {
  const [shape] = node.inputShapes as [readonly number[]];
  const starts = known(node, 1);
  const axes = node.hasInput(3) ? known(node, 3) : range(starts.length);
  const steps = node.hasInput(4) ? known(node, 4) : starts.map(() => 1);
  return starts.map((given, index) => {
    const axis = absoluteAxis(axes[index]!, shape.length);
    const [size, step] = [shape[axis]!, steps[index]!];
    // Beyond an end counts as the end; backwards the first place is the last one at most.
    const start = Math.min(Math.max(given < 0 ? given + size : given, 0), step > 0 ? size : size - 1);
    return { axis, start, step, count: node.outputShapes[0]![axis]! };
  });
}

function known(node: ForwardNode, index: number): readonly number[] {
  const numbers = node.constant(index);
  if (!numbers) throw new AppError('invalid', `${node.name} takes numbers that are computed: it has no gradient here.`);
  return numbers;
}

function slice(graph: GraphBuilder, value: Value, axis: number, from: number, to: number): Value {
  return graph.node('Slice', [value, ...[from, to, axis].map((number) => graph.integers([number]))]);
}

/** Puts the parts along an axis at `places` of an axis of `size`, zeros elsewhere; the other axes stay. */
function scatter(graph: GraphBuilder, value: Value, axis: number, places: Value, size: number, rank: number): Value {
  const toFront = [axis, ...range(rank).filter((other) => other !== axis)];
  const front = graph.node('Transpose', [value], { perm: toFront });
  const rest = graph.node('Shape', [front], { start: 1 });
  const shape = graph.node('Concat', [graph.integers([size]), rest], { axis: 0 });
  const rows = graph.node('Unsqueeze', [places, graph.integers([-1])]);
  const empty = graph.node('ConstantOfShape', [shape]);
  const scattered = graph.node('ScatterND', [empty, rows, front], { reduction: 'add' });
  return graph.node('Transpose', [scattered], { perm: inverseOf(toFront) });
}

/** The same for the first axis of `shape`, by a table of rows. */
function scatterRows(graph: GraphBuilder, value: Value, indices: Value, shape: readonly number[]): Value {
  const rows = graph.node('Unsqueeze', [indices, graph.integers([-1])]);
  return graph.node('ScatterND', [zeros(graph, shape), rows, value], { reduction: 'add' });
}

function isPermutation(order: readonly number[], size: number): boolean {
  return order.length === size && new Set(order).size === size;
}

function inverseOf(order: readonly number[]): number[] {
  const inverse = Array<number>(order.length);
  for (const [place, from] of order.entries()) inverse[from] = place;
  return inverse;
}
