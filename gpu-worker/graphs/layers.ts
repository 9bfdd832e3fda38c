import type { GraphBuilder, Value } from './onnx.ts';

/** [.., from] → [.., to]. Tensors `name.weight` [to, from] and, unless `bias` is false, `name.bias` [to]. */
export function linear(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { from, to, bias = true }: { from: number; to: number; bias?: boolean },
): Value {
  const weight = graph.weight(`${name}.weight`, [to, from], { transpose: true });
  const product = graph.node('MatMul', [input, weight]);
  return bias ? graph.node('Add', [product, graph.weight(`${name}.bias`, [to])]) : product;
}

/** Over the last axis, of `size`; the statistics in fp32. Tensors `name.weight`, `name.bias`. */
export function layerNorm(graph: GraphBuilder, input: Value, name: string, size: number, epsilon = 1e-5): Value {
  const weight = graph.weight(`${name}.weight`, [size]);
  const bias = graph.weight(`${name}.bias`, [size]);
  return graph.node('LayerNormalization', [input, weight, bias], { axis: -1, epsilon });
}

/**
 * Of [batch, channels, h, w], in `groups` of channels; the statistics in fp32. Tensors `name.weight`, `name.bias`.
 * Each group as one channel of an InstanceNormalization: faster on the CPU than GroupNormalization, which is taken apart
 * there, and right where the variance is far below the square of the mean.
 */
export function groupNorm(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { channels, groups, epsilon }: { channels: number; groups: number; epsilon: number },
): Value {
  const [weight, bias] = ['weight', 'bias'].map((part) => {
    return graph.node('Reshape', [graph.weight(`${name}.${part}`, [channels]), graph.integers([channels, 1, 1])]);
  }) as [Value, Value];
  const grouped = graph.node('Reshape', [graph.widen(input), graph.integers([0, groups, -1])]);
  const [ones, zeros] = [1, 0].map((value) => graph.floats(Array(groups).fill(value))) as [Value, Value];
  const normal = graph.node('InstanceNormalization', [grouped, ones, zeros], { epsilon });
  const restored = graph.node('Reshape', [graph.narrow(normal), graph.node('Shape', [input])]);
  return graph.node('Add', [graph.node('Mul', [restored, weight]), bias]);
}

/** x · sigmoid(x); ONNX Runtime makes one operator of it. */
export function silu(graph: GraphBuilder, input: Value): Value {
  return graph.node('Mul', [input, graph.node('Sigmoid', [input])]);
}

/** The exact form, by the error function. */
export function gelu(graph: GraphBuilder, input: Value): Value {
  return graph.node('Gelu', [input], { approximate: 'none' });
}

/**
 * Scaled dot-product attention that never holds the matrix of scores: query [batch, n, heads · d], key and value
 * [batch, m, heads · d] → [batch, n, heads · d]. `bias` [1 or batch, 1 or heads, n, m] is added to the scores.
 * In fp32 also where the layers compute in fp16: the scores of Stable Diffusion 2 leave its range.
 */
export function attention(
  graph: GraphBuilder,
  { query, key, value, heads, bias }: { query: Value; key: Value; value: Value; heads: number; bias?: Value },
): Value {
  const inputs = [query, key, value].map((input) => graph.widen(input));
  if (bias) inputs.push('', '', graph.widen(bias));
  return graph.narrow(graph.node('MultiHeadAttention', inputs, { num_heads: heads }));
}
