import { convolution } from './convolution.ts';
import { groupNorm, silu } from './layers.ts';
import type { GraphBuilder, Value } from './onnx.ts';

interface ResnetOptions {
  from: number;
  to: number;
  groups: number;
  epsilon: number;
  /** The time embedding, projected to [1, to, 1, 1]. */
  time: Value;
  /** Of what is added to the input, [batch, to, h, w]. */
  modulate?: (change: Value) => Value;
}

/**
 * The residual block of Stable Diffusion's UNet: [batch, from, h, w] → [batch, to, h, w].
 * Tensors `name.norm1`, `name.conv1`, `name.norm2`, `name.conv2`, and `name.conv_shortcut` where `from` is not `to`.
 */
export function resnetBlock(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { from, to, groups, epsilon, time, modulate = (change) => change }: ResnetOptions,
): Value {
  const before = silu(graph, groupNorm(graph, input, `${name}.norm1`, { channels: from, groups, epsilon }));
  const first = convolution(graph, before, `${name}.conv1`, { from, to });
  const timed = graph.node('Add', [first, time]);
  const between = silu(graph, groupNorm(graph, timed, `${name}.norm2`, { channels: to, groups, epsilon }));
  const second = modulate(convolution(graph, between, `${name}.conv2`, { from: to, to }));
  const shortcut = from === to ? input : convolution(graph, input, `${name}.conv_shortcut`, { from, to, kernel: 1 });
  return graph.node('Add', [shortcut, second]);
}
