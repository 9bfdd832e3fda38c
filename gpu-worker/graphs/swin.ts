import { convolution } from './convolution.ts';
import { attention, gelu, layerNorm, linear } from './layers.ts';
import type { GraphBuilder, Value } from './onnx.ts';
import { mergeOrder, planWindows, relativePositions } from './swin-windows.ts';

/** Under the names of RAM's own configuration. */
export interface SwinConfig {
  /** Pixels a side of the picture, and of a token. */
  image_size: number;
  patch_size: number;
  /** Tokens a side. */
  window_size: number;
  /** Channels of the first stage; each further one has twice as many on half the side. */
  embed_dim: number;
  /** Blocks and heads, by stage. */
  depths: readonly number[];
  num_heads: readonly number[];
}

/** What the blocks of a stage have in common. */
interface SwinStage {
  channels: number;
  /** Channels of the feed-forward layer: four times as many by default. */
  hidden?: number;
  heads: number;
  /** Tokens a side. */
  window: number;
  /** `relativePositions(window)` as a constant. */
  relative: Value;
}

/** A map in windows: tokens go into them and back by being picked, so that no other layout has to be known. */
export interface Division {
  order: Value;
  inverse: Value;
  /** [windows, 1, tokens, tokens]; none where no window holds parts that are far from each other. */
  mask?: Value;
}

const MLP_RATIO = 4;
/** Added to a score that must not count, as in the original. */
const MASKED = -100;

/** Channels of the output. */
export function swinChannels({ embed_dim, depths }: SwinConfig): number {
  return embed_dim * 2 ** (depths.length - 1);
}

/**
 * Swin transformer (Liu et al. 2021): [1, 3, image_size, image_size] → [1, 1 + tokens, channels], the mean of all
 * tokens first. Throws AppError `engine-failed` for sizes that leave a rest.
 */
export function swinTransformer(graph: GraphBuilder, image: Value, name: string, config: SwinConfig): Value {
  const { patch_size, embed_dim, depths } = config;
  let resolution = Math.floor(config.image_size / patch_size);
  let channels = embed_dim;
  let tokens = embedPatches(graph, image, `${name}.patch_embed`, patch_size, channels);
  for (const [index, depth] of depths.entries()) {
    const layer = `${name}.layers.${index}`;
    // Windows never exceed the square; where they fill it RAM shifts nothing.
    const window = Math.min(config.window_size, resolution);
    const shift = resolution > window ? Math.floor(window / 2) : 0;
    const straight = divideSquare(graph, resolution, window, 0);
    const shifted = shift === 0 ? straight : divideSquare(graph, resolution, window, shift);
    const relative = graph.integers(relativePositions(window));
    const stage = { channels, heads: config.num_heads[index]!, window, relative };
    for (let block = 0; block < depth; block++) {
      tokens = swinBlock(graph, tokens, `${layer}.blocks.${block}`, stage, block % 2 === 0 ? straight : shifted);
    }
    if (index === depths.length - 1) break;
    tokens = mergePatches(graph, tokens, `${layer}.downsample`, resolution, channels);
    resolution /= 2;
    channels *= 2;
  }
  const normal = layerNorm(graph, tokens, `${name}.norm`, channels);
  const mean = graph.node('ReduceMean', [normal, graph.integers([0])], { keepdims: 1 });
  return graph.node('Unsqueeze', [graph.node('Concat', [mean, normal], { axis: 0 }), graph.integers([0])]);
}

/** [1, 3, h, w] → [tokens, channels]. */
function embedPatches(graph: GraphBuilder, image: Value, name: string, side: number, channels: number): Value {
  const patches = convolution(graph, image, `${name}.proj`, {
    from: 3,
    to: channels,
    kernel: side,
    stride: side,
    pads: [0, 0, 0, 0],
  });
  const flat = graph.node('Reshape', [patches, graph.integers([channels, -1])]);
  return layerNorm(graph, graph.node('Transpose', [flat], { perm: [1, 0] }), `${name}.norm`, channels);
}

/** Four neighbors become one token of twice the channels: [tokens, channels] → [tokens / 4, 2 · channels]. */
function mergePatches(graph: GraphBuilder, tokens: Value, name: string, resolution: number, channels: number): Value {
  const four = 4 * channels;
  const ordered = graph.node('Gather', [tokens, graph.integers(mergeOrder(resolution))], { axis: 0 });
  const merged = graph.node('Reshape', [ordered, graph.integers([-1, four])]);
  const normal = layerNorm(graph, merged, `${name}.norm`, four);
  return linear(graph, normal, `${name}.reduction`, { from: four, to: 2 * channels, bias: false });
}

/** The constants of a square of tokens in windows. */
export function divideSquare(graph: GraphBuilder, resolution: number, window: number, shift: number): Division {
  const { count, size, order, inverse, regions } = planWindows(
    { height: resolution, width: resolution },
    window,
    shift,
  );
  const division = { order: graph.integers(order), inverse: graph.integers(inverse) };
  return shift === 0 ? division : { ...division, mask: windowMask(graph, graph.integers(regions), count, size) };
}

/** `regions` [windows · tokens], see `WindowPlan`; `count` windows of `size` tokens, −1 for as many as there are. */
export function windowMask(graph: GraphBuilder, regions: Value, count: number, size: number): Value {
  const queries = graph.node('Reshape', [regions, graph.integers([count, 1, size, 1])]);
  const keys = graph.node('Reshape', [regions, graph.integers([count, 1, 1, size])]);
  return graph.node('Where', [graph.node('Equal', [queries, keys]), graph.scalar(0), graph.scalar(MASKED)]);
}

/** Attention inside windows and a feed-forward layer, each added to its input: [tokens, channels] as before. */
export function swinBlock(
  graph: GraphBuilder,
  input: Value,
  name: string,
  stage: SwinStage,
  division: Division,
): Value {
  const { channels, heads, window } = stage;
  const before = layerNorm(graph, input, `${name}.norm1`, channels);
  const ordered = graph.node('Gather', [before, division.order], { axis: 0 });
  const inWindows = graph.node('Reshape', [ordered, graph.integers([-1, window ** 2, channels])]);
  const all = linear(graph, inWindows, `${name}.attn.qkv`, { from: channels, to: 3 * channels });
  const [query, key, value] = graph.nodes('Split', [all], 3, { axis: -1, num_outputs: 3 }) as [Value, Value, Value];
  const bias = attentionBias(graph, `${name}.attn`, stage, division.mask);
  const attended = attention(graph, { query, key, value, heads, bias });
  const projected = linear(graph, attended, `${name}.attn.proj`, { from: channels, to: channels });
  const flat = graph.node('Reshape', [projected, graph.integers([-1, channels])]);
  const seen = graph.node('Add', [graph.node('Gather', [flat, division.inverse], { axis: 0 }), input]);

  const after = layerNorm(graph, seen, `${name}.norm2`, channels);
  const wide = stage.hidden ?? MLP_RATIO * channels;
  const hidden = gelu(graph, linear(graph, after, `${name}.mlp.fc1`, { from: channels, to: wide }));
  return graph.node('Add', [linear(graph, hidden, `${name}.mlp.fc2`, { from: wide, to: channels }), seen]);
}

/** By where query and key lie to each other, [1, heads, tokens, tokens], with the mask. Folded when it is loaded. */
function attentionBias(graph: GraphBuilder, name: string, { heads, window, relative }: SwinStage, mask?: Value): Value {
  const table = graph.weight(`${name}.relative_position_bias_table`, [(2 * window - 1) ** 2, heads]);
  const byHead = graph.node('Transpose', [graph.node('Gather', [table, relative], { axis: 0 })], { perm: [1, 0] });
  const bias = graph.node('Reshape', [byHead, graph.integers([1, heads, window ** 2, window ** 2])]);
  return mask ? graph.node('Add', [bias, mask]) : bias;
}
