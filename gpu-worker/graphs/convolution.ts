import type { GraphBuilder, Value } from './onnx.ts';

/** 3×3 convolution with zero padding: [batch, from, h, w] → [batch, to, h, w]. Tensors `name.weight`, `name.bias`. */
export function convolution(
  graph: GraphBuilder,
  input: Value,
  name: string,
  size: { from: number; to: number },
): Value {
  const weight = graph.weight(`${name}.weight`, [size.to, size.from, 3, 3]);
  const bias = graph.weight(`${name}.bias`, [size.to]);
  return graph.node('Conv', [input, weight, bias], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
}

/** Repeats every pixel `factor` × `factor` times: [batch, c, h, w] → [batch, c, factor·h, factor·w]. */
export function nearestUpsampling(graph: GraphBuilder, input: Value, factor: number): Value {
  return graph.node('Resize', [input, '', graph.floats([1, 1, factor, factor])], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
}
