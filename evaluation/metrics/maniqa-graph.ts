import { convolution } from '../../gpu-worker/graphs/convolution.ts';
import { attention, gelu, layerNorm, linear } from '../../gpu-worker/graphs/layers.ts';
import {
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type GraphOptions,
  type Value,
} from '../../gpu-worker/graphs/onnx.ts';
import { divideSquare, swinBlock } from '../../gpu-worker/graphs/swin.ts';
import { relativePositions } from '../../gpu-worker/graphs/swin-windows.ts';
import { CROP } from './maniqa-crops.ts';

/** Sizes of a MANIQA (Yang et al. 2022); in its code arguments of the constructor. */
export interface ManiqaConfig {
  /** Pixels a side of a token. */
  patch: number;
  /** Channels of the ViT, of its feed-forward layers, and its heads. */
  channels: number;
  vitHidden: number;
  vitHeads: number;
  /** Channels of the feed-forward layers of the Swin stages. */
  hidden: number;
}

/** The blocks of the ViT whose results are taken; those after the last are not computed. */
const TAKEN = [6, 7, 8, 9];
const VIT_EPSILON = 1e-6;
const WINDOW = 4;
const SWIN_HEADS = 4;
const SWIN_LAYERS = 2;
const SWIN_BLOCKS = 2;
const TOKEN_ATTENTIONS = 2;

/**
 * `crop` [1, 3, 224, 224] in −1..1 → `sums` [2]: over all tokens the sum of weight · score and the sum of weights. `scale`: of the
 * Swin layers, another for each published file, and not in it. Probes: those of the recorded set.
 */
export function maniqa(config: ManiqaConfig, scale: number, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('maniqa', options);
  const { channels } = config;
  const side = CROP / config.patch;
  const levels = vit(graph, graph.input('crop', [1, 3, CROP, CROP]), config);
  const wide = channels * TAKEN.length;
  // [1, channels, tokens] from here on.
  let value = graph.node('Transpose', [graph.node('Concat', levels, { axis: 2 })], { perm: [0, 2, 1] });
  for (const [stage, from, to] of [
    [1, wide, channels],
    [2, channels, channels / 2],
  ] as const) {
    for (let block = 0; block < TOKEN_ATTENTIONS; block++) {
      value = tokenAttention(graph, value, `tablock${stage}.${block}`, side ** 2, from);
      graph.probe(`tab${stage}_${block}`, value);
    }
    const square = graph.node('Reshape', [value, graph.integers([1, from, side, side])]);
    const narrow = convolution(graph, square, `conv${stage}`, { from, to, kernel: 1 });
    graph.probe(`conv${stage}`, narrow);
    value = swinStage(graph, narrow, stage, { channels: to, hidden: config.hidden, side, scale });
  }
  graph.output('sums', weightedSums(graph, value, channels / 2), [2]);
  return graph.build();
}

/** What leaves the taken blocks, without the class token: [1, tokens, channels] each. */
function vit(graph: GraphBuilder, crop: Value, { patch, channels, vitHidden, vitHeads }: ManiqaConfig): Value[] {
  const tokens = (CROP / patch) ** 2;
  const pads: [number, number, number, number] = [0, 0, 0, 0];
  const cut = convolution(graph, crop, 'vit.patch_embed.proj', {
    from: 3,
    to: channels,
    kernel: patch,
    stride: patch,
    pads,
  });
  const flat = graph.node('Reshape', [cut, graph.integers([1, channels, tokens])]);
  const patches = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  graph.probe('vit_patches', patches);
  const all = graph.node('Concat', [graph.weight('vit.cls_token', [1, 1, channels]), patches], { axis: 1 });
  let value = graph.node('Add', [all, graph.weight('vit.pos_embed', [1, tokens + 1, channels])]);
  graph.probe('vit_pos_drop', value);
  const levels: Value[] = [];
  for (let block = 0; block <= TAKEN.at(-1)!; block++) {
    value = vitBlock(graph, value, `vit.blocks.${block}`, { channels, hidden: vitHidden, heads: vitHeads });
    graph.probe(`vit_block${block}`, value);
    const [from, to] = [graph.integers([1]), graph.integers([tokens + 1])];
    if (TAKEN.includes(block)) levels.push(graph.node('Slice', [value, from, to, graph.integers([1])]));
  }
  return levels;
}

function vitBlock(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { channels, hidden, heads }: { channels: number; hidden: number; heads: number },
): Value {
  const before = layerNorm(graph, input, `${name}.norm1`, channels, VIT_EPSILON);
  const all = linear(graph, before, `${name}.attn.qkv`, { from: channels, to: 3 * channels });
  const [query, key, value] = graph.nodes('Split', [all], 3, { axis: -1, num_outputs: 3 }) as [Value, Value, Value];
  const attended = attention(graph, { query, key, value, heads });
  const seen = graph.node('Add', [
    input,
    linear(graph, attended, `${name}.attn.proj`, { from: channels, to: channels }),
  ]);
  const after = layerNorm(graph, seen, `${name}.norm2`, channels, VIT_EPSILON);
  const inner = gelu(graph, linear(graph, after, `${name}.mlp.fc1`, { from: channels, to: hidden }));
  return graph.node('Add', [seen, linear(graph, inner, `${name}.mlp.fc2`, { from: hidden, to: channels })]);
}

/**
 * Attention between channels, whose vectors are their values at all tokens: [1, channels, tokens], added to its input. Its result is
 * turned over, and read in the order of the input without being turned back: so the published weights were trained.
 */
function tokenAttention(graph: GraphBuilder, input: Value, name: string, tokens: number, channels: number): Value {
  const [query, key, value] = ['c_q', 'c_k', 'c_v'].map((part) =>
    linear(graph, input, `${name}.${part}`, { from: tokens, to: tokens }),
  ) as [Value, Value, Value];
  const scores = graph.node('MatMul', [query, graph.node('Transpose', [key], { perm: [0, 2, 1] })]);
  const shares = graph.node('Softmax', [graph.node('Mul', [scores, graph.scalar(tokens ** -0.5)])], { axis: -1 });
  const turned = graph.node('Transpose', [graph.node('MatMul', [shares, value])], { perm: [0, 2, 1] });
  return graph.node('Add', [graph.node('Reshape', [turned, graph.integers([1, channels, tokens])]), input]);
}

/** [1, channels, side, side] → [1, channels, side²]. */
function swinStage(
  graph: GraphBuilder,
  input: Value,
  number: number,
  { channels, hidden, side, scale }: { channels: number; hidden: number; side: number; scale: number },
): Value {
  const divisions = [0, WINDOW / 2].map((shift) => divideSquare(graph, side, WINDOW, shift));
  const stage = {
    channels,
    hidden,
    heads: SWIN_HEADS,
    window: WINDOW,
    relative: graph.integers(relativePositions(WINDOW)),
  };
  // [tokens, channels]
  const toTokens = (square: Value) => {
    return graph.node('Transpose', [graph.node('Reshape', [square, graph.integers([channels, side ** 2])])], {
      perm: [1, 0],
    });
  };
  const toSquare = (tokens: Value) => {
    return graph.node('Reshape', [
      graph.node('Transpose', [tokens], { perm: [1, 0] }),
      graph.integers([1, channels, side, side]),
    ]);
  };
  let value = toTokens(input);
  for (let layer = 0; layer < SWIN_LAYERS; layer++) {
    const name = `swintransformer${number}.layers.${layer}`;
    let inner = value;
    for (let block = 0; block < SWIN_BLOCKS; block++) {
      inner = swinBlock(graph, inner, `${name}.blocks.${block}`, stage, divisions[block % 2]!);
      graph.probe(`swin${number}_layer${layer}_block${block}`, inner);
    }
    const mixed = convolution(graph, toSquare(inner), `${name}.conv`, { from: channels, to: channels });
    const change = toTokens(graph.node('Relu', [mixed]));
    graph.probe(`swin${number}_layer${layer}`, change);
    value = graph.node('Add', [graph.node('Mul', [change, graph.scalar(scale)]), value]);
  }
  graph.probe(`swin${number}`, toSquare(value));
  return graph.node('Reshape', [toSquare(value), graph.integers([1, channels, side ** 2])]);
}

/** Of [1, channels, tokens]. */
function weightedSums(graph: GraphBuilder, input: Value, channels: number): Value {
  const tokens = graph.node('Transpose', [input], { perm: [0, 2, 1] });
  const branch = (name: string) => {
    const inner = graph.node('Relu', [linear(graph, tokens, `${name}.0`, { from: channels, to: channels })]);
    return linear(graph, inner, `${name}.3`, { from: channels, to: 1 });
  };
  const score = graph.node('Relu', [branch('fc_score')]);
  const weight = graph.node('Sigmoid', [branch('fc_weight')]);
  graph.probe('fc_score', score);
  graph.probe('fc_weight', weight);
  const sum = (value: Value) =>
    graph.node('Reshape', [graph.node('ReduceSum', [value], { keepdims: 0 }), graph.integers([1])]);
  return graph.node('Concat', [sum(graph.node('Mul', [weight, score])), sum(weight)], { axis: 0 });
}
