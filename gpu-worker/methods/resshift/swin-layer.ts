import { convolution } from '../../graphs/convolution.ts';
import { attention, gelu, groupNorm, linear } from '../../graphs/layers.ts';
import type { GraphBuilder, Value } from '../../graphs/onnx.ts';
import { relativePositions } from '../../graphs/swin-windows.ts';

export interface SwinLayer {
  name: string;
  /** Outside the layer, and inside. */
  channels: number;
  width: number;
  blocks: number;
  heads: number;
  /** Positions a side. */
  window: number;
  /** By how much the windows of every second block are moved; 0 where they are not. */
  shift: number;
  /** Channels of the feed-forward layer, of `width`. */
  mlpRatio: number;
  groups: number;
  epsilon: number;
}

/** Added to a score that must not count, as in the original. */
const MASKED = -100;
/** Beyond any end. */
const END = 2 ** 31 - 1;

/**
 * Some Swin blocks on [1, channels, h, w], in place of it: nothing is added to the input (Yue et al. 2023). Sides
 * are multiples of the window.
 */
export function swinLayer(graph: GraphBuilder, input: Value, layer: SwinLayer): Value {
  const { name, channels, width, blocks, shift } = layer;
  let value = convolution(graph, input, `${name}.patch_embed.proj`, { from: channels, to: width, kernel: 1 });
  for (let block = 0; block < blocks; block++) {
    value = swinBlock(graph, value, `${name}.blocks.${block}`, { ...layer, shift: block % 2 === 0 ? 0 : shift });
    graph.probe(`${name}.blocks.${block}`, value);
  }
  return convolution(graph, value, `${name}.patch_unembed.proj`, { from: width, to: channels, kernel: 1 });
}

/** The norms are those of groups of channels over the whole map, not of positions. */
function swinBlock(graph: GraphBuilder, input: Value, name: string, layer: SwinLayer): Value {
  const { width, shift, mlpRatio, groups, epsilon } = layer;
  const normalize = (value: Value, norm: string) =>
    groupNorm(graph, value, `${name}.${norm}`, { channels: width, groups, epsilon });
  const moved = roll(graph, normalize(input, 'norm1'), -shift);
  const attended = roll(graph, attendInWindows(graph, moved, `${name}.attn`, layer), shift);
  const seen = graph.node('Add', [input, attended]);
  const hidden = convolution(graph, normalize(seen, 'norm2'), `${name}.mlp.fc1`, {
    from: width,
    to: mlpRatio * width,
    kernel: 1,
  });
  const added = convolution(graph, gelu(graph, hidden), `${name}.mlp.fc2`, {
    from: mlpRatio * width,
    to: width,
    kernel: 1,
  });
  return graph.node('Add', [seen, added]);
}

/** Moves [1, channels, h, w] down and right; what leaves it comes in on the other side. */
function roll(graph: GraphBuilder, input: Value, by: number): Value {
  if (by === 0) return input;
  let value = input;
  for (const axis of [2, 3]) {
    const part = (start: number, end: number) =>
      graph.node('Slice', [value, graph.integers([start]), graph.integers([end]), graph.integers([axis])]);
    value = graph.node('Concat', [part(-by, END), part(0, -by)], { axis });
  }
  return value;
}

function attendInWindows(graph: GraphBuilder, input: Value, name: string, layer: SwinLayer): Value {
  const { width, heads, window, shift } = layer;
  const size = window ** 2;
  const rows = graph.node('Reshape', [input, graph.integers([width, -1, window, 0])]);
  const squares = graph.node('Reshape', [rows, graph.integers([0, 0, 0, -1, window])]);
  // [window rows, window columns, window, window, width].
  const windows = graph.node('Transpose', [squares], { perm: [1, 3, 2, 4, 0] });
  const tokens = graph.node('Reshape', [windows, graph.integers([0, 0, size, width])]);
  const all = linear(graph, tokens, `${name}.qkv`, { from: width, to: 3 * width });
  const bias = positionBias(graph, name, layer);
  const attend = (packed: Value, added: Value) => {
    const flat = graph.node('Reshape', [packed, graph.integers([-1, size, 3 * width])]);
    const [query, key, value] = graph.nodes('Split', [flat], 3, { axis: -1, num_outputs: 3 }) as [Value, Value, Value];
    return attention(graph, { query, key, value, heads, bias: added });
  };
  const part = (start: number, end: number) =>
    graph.node('Slice', [all, graph.integers([start]), graph.integers([end]), graph.integers([0])]);
  const masked = () => {
    const mask = graph.tensor([1, 1, size, size], columnMask(window, shift));
    return graph.node('Add', [bias, mask]);
  };
  const attended =
    shift === 0
      ? attend(all, bias)
      : graph.node('Concat', [attend(part(0, -1), bias), attend(part(-1, END), masked())], { axis: 0 });
  const projected = linear(graph, attended, `${name}.proj`, { from: width, to: width });
  const apart = graph.node('Reshape', [projected, graph.node('Shape', [windows])]);
  const planes = graph.node('Transpose', [apart], { perm: [4, 0, 2, 1, 3] });
  return graph.node('Reshape', [planes, graph.node('Shape', [input])]);
}

/** By where query and key lie to each other, [1, heads, tokens, tokens]. */
function positionBias(graph: GraphBuilder, name: string, { heads, window }: SwinLayer): Value {
  const table = graph.weight(`${name}.relative_position_bias_table`, [(2 * window - 1) ** 2, heads]);
  const rows = graph.node('Gather', [table, graph.integers(relativePositions(window))], { axis: 0 });
  const byHead = graph.node('Transpose', [rows], { perm: [1, 0] });
  return graph.node('Reshape', [byHead, graph.integers([1, heads, window ** 2, window ** 2])]);
}

/**
 * Added to the scores in the last row of windows, [tokens · tokens]: a query sees the keys on its side of the column where the
 * map wraps around. The original means another mask (issue 81 of its repository), and was trained with this one: it parts
 * columns in windows where rows come from far away, and in no other.
 */
export function columnMask(window: number, shift: number): Float32Array {
  const size = window ** 2;
  const isBefore = (token: number) => token % window < window - shift;
  return Float32Array.from({ length: size ** 2 }, (_, index) => {
    const [query, key] = [Math.floor(index / size), index % size];
    return shift === 0 || isBefore(query) === isBefore(key) ? 0 : MASKED;
  });
}
