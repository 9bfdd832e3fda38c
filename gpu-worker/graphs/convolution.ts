import type { GraphBuilder, Value } from './onnx.ts';

interface ConvolutionOptions {
  from: number;
  to: number;
  /** Side of the kernel, 3 by default. */
  kernel?: number;
  stride?: number;
  /** Zeros at top, left, bottom, right; by default those that keep the size at stride 1, for an odd kernel. */
  pads?: [number, number, number, number];
}

/** [batch, from, h, w] → [batch, to, h / stride, w / stride], padded with zeros. Tensors `name.weight`, `name.bias`. */
export function convolution(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { from, to, kernel = 3, stride = 1, pads }: ConvolutionOptions,
): Value {
  const weight = graph.weight(`${name}.weight`, [to, from, kernel, kernel]);
  const bias = graph.weight(`${name}.bias`, [to]);
  const margin = (kernel - 1) / 2;
  return graph.node('Conv', [input, weight, bias], {
    kernel_shape: [kernel, kernel],
    pads: pads ?? [margin, margin, margin, margin],
    strides: [stride, stride],
  });
}

const NEAREST = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };

/** Repeats every pixel `factor` × `factor` times: [batch, c, h, w] → [batch, c, factor·h, factor·w]. */
export function nearestUpsampling(graph: GraphBuilder, input: Value, factor: number): Value {
  return graph.node('Resize', [input, '', graph.floats([1, 1, factor, factor])], NEAREST);
}

/** Repeats pixels of [batch, c, ..] until height and width are those of `like` [.., .., h, w]. */
export function nearestUpsamplingTo(graph: GraphBuilder, input: Value, like: Value): Value {
  const outer = graph.node('Shape', [input], { start: 0, end: 2 });
  const inner = graph.node('Shape', [like], { start: 2, end: 4 });
  const sizes = graph.node('Concat', [outer, inner], { axis: 0 });
  return graph.node('Resize', [input, '', '', sizes], NEAREST);
}
