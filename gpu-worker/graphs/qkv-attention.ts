import { attention, groupNorm, linear } from './layers.ts';
import type { GraphBuilder, Value } from './onnx.ts';

interface QkvOptions {
  channels: number;
  heads: number;
  groups: number;
  epsilon: number;
}

/**
 * Every position looks at every other, in several heads, and the result is added: [batch, channels, h, w] → the same
 * (`AttentionBlock` of ldm/modules/diffusionmodules/openaimodel.py, github.com/CompVis/latent-diffusion). Query, key and
 * value of a head lie side by side: the outer axis of `name.qkv` is heads × 3 × width of a head. Tensors `name.norm`,
 * `name.qkv` [3 · channels, channels] and `name.proj_out` [channels, channels], each with its bias.
 */
export function qkvAttention(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { channels, heads, groups, epsilon }: QkvOptions,
): Value {
  const normal = groupNorm(graph, input, `${name}.norm`, { channels, groups, epsilon });
  const flat = graph.node('Reshape', [normal, graph.integers([0, channels, -1])]);
  const tokens = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  const packed = linear(graph, tokens, `${name}.qkv`, { from: channels, to: 3 * channels });
  const byHead = graph.node('Reshape', [packed, graph.integers([0, -1, heads, 3, channels / heads])]);
  const [query, key, value] = graph
    .nodes('Split', [byHead], 3, { axis: 3, num_outputs: 3 })
    .map((part) => graph.node('Reshape', [part, graph.integers([0, -1, channels])])) as [Value, Value, Value];
  const seen = attention(graph, { query, key, value, heads });
  const projected = linear(graph, seen, `${name}.proj_out`, { from: channels, to: channels });
  const planes = graph.node('Transpose', [projected], { perm: [0, 2, 1] });
  return graph.node('Add', [input, graph.node('Reshape', [planes, graph.node('Shape', [input])])]);
}
