import type { GraphBuilder, Value } from '../../gpu-worker/graphs/onnx.ts';

/**
 * Of [batch, channels, h, w], by the statistics of the training; ONNX Runtime makes one operator of it and the convolution
 * before. Tensors `name.weight`, `name.bias`, `name.running_mean`, `name.running_var`.
 */
export function batchNorm(graph: GraphBuilder, input: Value, name: string, channels: number, epsilon: number): Value {
  const parts = ['weight', 'bias', 'running_mean', 'running_var'].map((part) =>
    graph.weight(`${name}.${part}`, [channels]),
  );
  return graph.node('BatchNormalization', [input, ...parts], { epsilon: { float: epsilon } });
}
