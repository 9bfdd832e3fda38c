import { convolution, nearestUpsampling, pixelUnshuffle } from '../graphs/convolution.ts';
import { attention, groupNorm, layerNorm, linear, silu } from '../graphs/layers.ts';
import { nearestCodes } from '../graphs/nearest-codes.ts';
import {
  createGraphBuilder,
  type Graph,
  type GraphBuilder,
  type GraphOptions,
  type SymbolicShape,
  type Value,
} from '../graphs/onnx.ts';
import { residualInResidual } from '../graphs/rrdbnet.ts';
import type { Step } from './steps.ts';
import { divisionInputs, swinBlocks } from './swin-blocks.ts';

const EPSILON = 1e-6;
const DENSE = { residualScale: 0.2, isPlus: false };
/** The type of whole numbers in ONNX. */
const INT64 = 7;

type NormStep = Extract<Step, { kind: 'norm' }>;
type Normalize = (value: Value, step: NormStep | Extract<Step, { kind: 'tile-norm' }>) => Value;

/** The norms compute their own statistics where the whole picture is there. */
export function normalizeAlone(graph: GraphBuilder, groups: number): Normalize {
  return (value, { name, channels }) => groupNorm(graph, value, name, { channels, groups, epsilon: EPSILON });
}

/**
 * Some steps of the network on a tile: `input` [1, c, h, w] → `output`. Their norms get statistics of the whole picture
 * in `norm.0`, `norm.1`, …: mean and biased variance of every group, [2, groups]. The target of an attention, if any,
 * comes in `whole`, like `input`.
 */
export function stretchGraph(steps: readonly Step[], groups: number, options?: GraphOptions): Graph {
  const { graph, value } = beginStretch(steps, groups, options);
  graph.output('output', value);
  return graph.build();
}

/**
 * The same steps, but only the statistics of their result for the next norm: `norm` [2, groups] of the part inside
 * `core` (top, left, bottom, right; the last two exclusive). In fp32, the variance in a second pass.
 */
export function statisticsGraph(steps: readonly Step[], groups: number, options?: GraphOptions): Graph {
  const { graph, value } = beginStretch(steps, groups, options);
  const core = graph.node('Cast', [graph.wideInput('core', [4])], { to: INT64 });
  const [topLeft, bottomRight] = graph.nodes('Split', [core], 2, { num_outputs: 2 });
  const inside = graph.node('Slice', [graph.widen(value), topLeft!, bottomRight!, graph.integers([2, 3])]);
  const rows = graph.node('Reshape', [inside, graph.integers([1, groups, 1, -1])]);
  const mean = graph.node('ReduceMean', [rows, graph.integers([3])]);
  const distance = graph.node('Sub', [rows, mean]);
  const square = graph.node('Mul', [distance, distance]);
  const variance = graph.node('ReduceMean', [square, graph.integers([3])]);
  const both = graph.node('Concat', [mean, variance], { axis: 0 });
  graph.output('norm', graph.node('Reshape', [both, graph.integers([2, groups])]), [2, groups]);
  return graph.build();
}

function beginStretch(steps: readonly Step[], groups: number, options: GraphOptions | undefined) {
  const graph = createGraphBuilder('stretch', options);
  const norms = steps.filter((step) => step.kind === 'norm');
  const statistics = new Map(norms.map((step, index) => [step, graph.wideInput(`norm.${index}`, [2, groups])]));
  const alone = normalizeAlone(graph, groups);
  const normalize: Normalize = (value, step) =>
    step.kind === 'norm' ? normalizeBy(graph, value, statistics.get(step)!, step, groups) : alone(value, step);
  const input = stepsInput(graph, steps, 'input', [1, 'channels', 'height', 'width']);
  const attends = steps.findIndex(({ kind }) => kind === 'attention');
  if (attends < 0) return { graph, value: applySteps(graph, input, steps, normalize) };
  const all = graph.input('whole', [1, 'channels', 'whole_height', 'whole_width']);
  const whole = applySteps(graph, all, steps.slice(0, attends), normalize);
  return { graph, value: applySteps(graph, input, steps, normalize, whole) };
}

/** Of steps that begin with a codebook in fp32: rounding the input would decide between codes that are nearly as near. */
export function stepsInput(graph: GraphBuilder, steps: readonly Step[], name: string, shape: SymbolicShape): Value {
  return steps[0]?.kind === 'quantize' ? graph.wideInput(name, shape) : graph.input(name, shape);
}

/** Group normalization by given statistics; in fp32, as the graph of the whole network has it. */
function normalizeBy(graph: GraphBuilder, value: Value, statistics: Value, step: NormStep, groups: number): Value {
  const { name, channels } = step;
  const grouped = (part: string) => {
    const weight = graph.widen(graph.weight(`${name}.${part}`, [channels]));
    return graph.node('Reshape', [weight, graph.integers([groups, channels / groups])]);
  };
  const perChannel = (factor: Value) => graph.node('Reshape', [factor, graph.integers([1, channels, 1, 1])]);
  const columns = graph.node('Reshape', [statistics, graph.integers([2, groups, 1])]);
  const [mean, variance] = graph
    .nodes('Split', [columns], 2, { num_outputs: 2, axis: 0 })
    .map((part) => graph.node('Reshape', [part, graph.integers([groups, 1])]));
  const deviation = graph.node('Sqrt', [graph.node('Add', [variance!, graph.floats([EPSILON])])]);
  const scale = perChannel(graph.node('Div', [grouped('weight'), deviation]));
  // The mean may be far larger than the deviation: it goes first.
  const means = graph.node('Expand', [mean!, graph.integers([groups, channels / groups])]);
  const centered = graph.node('Sub', [graph.widen(value), perChannel(means)]);
  return graph.narrow(graph.node('Add', [graph.node('Mul', [centered, scale]), perChannel(grouped('bias'))]));
}

/** `whole`: the target of an attention among the steps, if not its own input. */
export function applySteps(
  graph: GraphBuilder,
  input: Value,
  steps: readonly Step[],
  normalize: Normalize,
  whole?: Value,
): Value {
  let value = input;
  let kept = input;
  const divisions = divisionInputs(graph, steps);
  for (const step of steps) {
    if (step.kind === 'branch') kept = value;
    else if (step.kind === 'join') value = graph.node('Add', [value, shortcut(graph, kept, step)]);
    else if (step.kind === 'norm' || step.kind === 'tile-norm') value = normalize(value, step);
    else if (step.kind === 'attention') value = attend(graph, value, whole ?? value, step);
    else if (step.kind === 'swin') value = swinBlocks(graph, value, step, divisions!);
    else if (step.kind === 'probe') graph.probe(step.name, value);
    else value = applyStep(graph, value, step);
  }
  return value;
}

type PlainStep = Exclude<Step, { kind: 'branch' | 'join' | 'norm' | 'tile-norm' | 'attention' | 'swin' | 'probe' }>;

function applyStep(graph: GraphBuilder, value: Value, step: PlainStep): Value {
  switch (step.kind) {
    case 'convolution':
      return convolution(graph, value, step.name, { from: step.from, to: step.to, kernel: step.side });
    case 'silu':
      return silu(graph, value);
    case 'downsample':
      // Zeros only at the right and at the bottom, as in the original.
      return convolution(graph, value, step.name, { ...same(step.channels), stride: 2, pads: [0, 0, 1, 1] });
    case 'upsample':
      return convolution(graph, nearestUpsampling(graph, value, 2), step.name, { from: step.from, to: step.to });
    case 'entry':
      return enter(graph, value, step);
    case 'unshuffle':
      return pixelUnshuffle(graph, value, step.factor, step.channels);
    case 'layer norm':
      return channelNorm(graph, value, step);
    case 'leaky':
      return graph.node('LeakyRelu', [value], { alpha: step.slope });
    case 'shift':
      return graph.node('Add', [value, graph.tensor([step.by.length, 1, 1], Float32Array.from(step.by))]);
    case 'residual-dense':
      return residualInResidual(graph, value, step.name, { ...DENSE, features: step.channels, growth: step.growth });
    case 'quantize':
      return nearestCodes(graph, value, step.name, step);
  }
}

function channelNorm(graph: GraphBuilder, value: Value, step: Extract<Step, { kind: 'layer norm' }>): Value {
  const tokens = graph.node('Transpose', [value], { perm: [0, 2, 3, 1] });
  const normal = layerNorm(graph, tokens, step.name, step.channels);
  return graph.node('Transpose', [normal], { perm: [0, 3, 1, 2] });
}

function enter(graph: GraphBuilder, value: Value, step: Extract<Step, { kind: 'entry' }>): Value {
  const { names, from, between, to } = step;
  const shorter = convolution(graph, value, names[0], { from, to: between, kernel: 4, pads: [1, 1, 1, 1] });
  graph.probe('block_in', shorter);
  return convolution(graph, shorter, names[1], { from: between, to, stride: 2 });
}

const same = (channels: number) => ({ from: channels, to: channels });

function shortcut(graph: GraphBuilder, kept: Value, step: Extract<Step, { kind: 'join' }>): Value {
  if (!step.shortcut) return kept;
  const { name, from, to } = step.shortcut;
  return convolution(graph, kept, name, { from, to, kernel: 1 });
}

/** One head, of all channels: every position of `value` attends to every position of `whole`. */
function attend(
  graph: GraphBuilder,
  value: Value,
  whole: Value,
  { name, channels }: Extract<Step, { kind: 'attention' }>,
): Value {
  const tokens = (planes: Value) => {
    const flat = graph.node('Reshape', [planes, graph.integers([1, channels, -1])]);
    return graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  };
  const own = tokens(value);
  const all = whole === value ? own : tokens(whole);
  const query = linear(graph, own, `${name}.to_q`, same(channels));
  const key = linear(graph, all, `${name}.to_k`, same(channels));
  const values = linear(graph, all, `${name}.to_v`, same(channels));
  const attended = attention(graph, { query, key, value: values, heads: 1 });
  const projected = linear(graph, attended, `${name}.to_out.0`, same(channels));
  const planes = graph.node('Transpose', [projected], { perm: [0, 2, 1] });
  return graph.node('Reshape', [planes, graph.node('Shape', [value])]);
}
