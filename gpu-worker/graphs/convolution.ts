import type { GraphBuilder, Value } from './onnx.ts';

interface ConvolutionOptions {
  from: number;
  to: number;
  /** Side of the kernel, 3 by default. */
  kernel?: number;
  stride?: number;
  /** Zeros at top, left, bottom, right; by default those that keep the size at stride 1, for an odd kernel. */
  pads?: [number, number, number, number];
  bias?: boolean;
}

/**
 * [batch, from, h, w] → [batch, to, h / stride, w / stride], padded with zeros. Tensors `name.weight` and, unless `bias` is
 * false, `name.bias`.
 */
export function convolution(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { from, to, kernel = 3, stride = 1, pads, bias = true }: ConvolutionOptions,
): Value {
  const inputs = [input, graph.weight(`${name}.weight`, [to, from, kernel, kernel])];
  if (bias) inputs.push(graph.weight(`${name}.bias`, [to]));
  const margin = (kernel - 1) / 2;
  return graph.node('Conv', inputs, {
    kernel_shape: [kernel, kernel],
    pads: pads ?? [margin, margin, margin, margin],
    strides: [stride, stride],
  });
}

const NEAREST = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };

/** Repeats every pixel `factor` × `factor` times: [batch, c, h, w] → [batch, c, factor·h, factor·w]. */
export function nearestUpsampling(graph: GraphBuilder, input: Value, factor: number): Value {
  if (factor === 1) return input;
  return graph.node('Resize', [input, '', graph.floats([1, 1, factor, factor])], NEAREST);
}

/** [1, c, h, w] → [1, c, factor·h, factor·w]: PyTorch's `interpolate`, bilinear, without aligned corners. */
export function bilinearUpsampling(graph: GraphBuilder, input: Value, factor: number): Value {
  const scales = graph.floats([1, 1, factor, factor]);
  return graph.node('Resize', [input, '', scales], { mode: 'linear', coordinate_transformation_mode: 'half_pixel' });
}

/** Repeats pixels of [batch, c, ..] until height and width are those of `like` [.., .., h, w]. */
export function nearestUpsamplingTo(graph: GraphBuilder, input: Value, like: Value): Value {
  const outer = graph.node('Shape', [input], { start: 0, end: 2 });
  const inner = graph.node('Shape', [like], { start: 2, end: 4 });
  const sizes = graph.node('Concat', [outer, inner], { axis: 0 });
  return graph.node('Resize', [input, '', '', sizes], NEAREST);
}

/** Pixels of `factor` × `factor` become channels, place by place within each: PyTorch's PixelUnshuffle. */
export function pixelUnshuffle(graph: GraphBuilder, input: Value, factor: number, channels: number): Value {
  if (factor === 1) return input;
  // ONNX puts all channels of a place side by side.
  const byPlace = graph.node('SpaceToDepth', [input], { blocksize: factor });
  const order = Array.from({ length: channels * factor ** 2 }, (_, channel) => {
    return (channel % factor ** 2) * channels + Math.floor(channel / factor ** 2);
  });
  return graph.node('Gather', [byPlace, graph.integers(order)], { axis: 1 });
}

/** [batch, c·factor², h, w] → [batch, c, factor·h, factor·w]: PyTorch's PixelShuffle. */
export function pixelShuffle(graph: GraphBuilder, input: Value, factor: number): Value {
  return factor === 1 ? input : graph.node('DepthToSpace', [input], { blocksize: factor, mode: 'CRD' });
}
