import { RESIDUAL_CONTEXT } from '../graphs/rrdbnet.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Step, type SwinStep, scaleOf, shiftOf } from './steps.ts';

/** A stretch of the network whose result is kept for the whole picture before the next one begins. */
export interface StagePlan {
  steps: readonly Step[];
  /** Sides of the result over those of the input: a power of two. */
  scale: number;
  /** Input positions around a part that have a say in its result, beside the view of the norms and attention. */
  halo: number;
  /** Parts of the input that begin and end at multiples of it have whole sizes everywhere in the stage. */
  alignment: number;
  /** Where the computation has to stop until the whole picture has come so far: before `steps[index]`. */
  norms: readonly { index: number; scale: number }[];
  /** Whether every position looks at all others: such a stage has no convolutions. */
  attends: boolean;
}

/**
 * Cuts the network into stages, between its blocks. A cut means that a value of so many `channels`, with sides of
 * `scale` times those of the network's input, is kept whole; where `keeps` refuses that, the stage grows, and its first
 * steps are repeated for each of its norms. Attention is a stage of its own in any case.
 */
export function planStages(steps: readonly Step[], keeps: (channels: number, scale: number) => boolean): StagePlan[] {
  const blocks = splitBlocks(steps);
  const plans: StagePlan[] = [];
  let pending: Step[] = [];
  let channels = 0;
  let scale = 1;
  for (const [index, block] of blocks.entries()) {
    pending = [...pending, ...block];
    for (const step of block) {
      channels = channelsAfter(step, channels);
      scale *= scaleOf(step);
    }
    const next = blocks[index + 1];
    if (!next || attends(block) || attends(next) || keeps(channels, scale)) {
      plans.push(describeStage(pending));
      pending = [];
    }
  }
  return plans;
}

/** The child then stays below 4 GB: the first layers of an exact tile of the autoencoder take 1.6 GB, values kept 2 GB. */
const MAX_KEPT_BYTES = 2 ** 30;
const BYTES_PER_NUMBER = 4;

/** For `planStages`: values of at most so many bytes, of an input [1, c, h, w]. */
export function keepsUpTo(maxBytes: number | undefined, { shape }: Pick<Tensor, 'shape'>) {
  const [, , height, width] = shape as [number, number, number, number];
  return (channels: number, scale: number) =>
    channels * height * scale * width * scale * BYTES_PER_NUMBER <= (maxBytes ?? MAX_KEPT_BYTES);
}

const BEGIN_BLOCKS: readonly Step['kind'][] = ['branch', 'norm', 'downsample', 'upsample', 'entry', 'residual-dense'];

/** Blocks take one value and give one: the steps between `branch` and `join` stay together. */
function splitBlocks(steps: readonly Step[]): Step[][] {
  const blocks: Step[][] = [];
  let open = false;
  for (const step of steps) {
    const begins = BEGIN_BLOCKS.includes(step.kind);
    if (blocks.length === 0 || (begins && !open)) blocks.push([]);
    blocks.at(-1)!.push(step);
    if (step.kind === 'branch') open = true;
    if (step.kind === 'join') open = false;
  }
  return blocks;
}

function describeStage(steps: readonly Step[]): StagePlan {
  let scale = 1;
  let alignment = 1;
  const norms = [];
  for (const [index, step] of steps.entries()) {
    if (step.kind === 'norm') norms.push({ index, scale });
    scale *= scaleOf(step);
    // A window is not cut.
    alignment = Math.max(alignment, (step.kind === 'swin' ? step.window : 1) / scale);
  }
  const halo = roundUp(steps.reduceRight(haloBefore, 0), alignment);
  return { steps, scale, halo, alignment, norms, attends: attends(steps) };
}

/** The margin that a step needs to give one of `margin`, in a tile that begins and ends between windows. */
function haloBefore(margin: number, step: Step): number {
  if (step.kind === 'convolution') return margin + (step.side - 1) / 2;
  if (step.kind === 'downsample') return 2 * margin + 1;
  if (step.kind === 'upsample') return Math.ceil((margin + 1) / 2);
  if (step.kind === 'entry') return 2 * margin + 2;
  if (step.kind === 'unshuffle') return step.factor * margin;
  if (step.kind === 'residual-dense') return margin + RESIDUAL_CONTEXT;
  return step.kind === 'swin' ? haloOfWindows(margin, step) : margin;
}

/** Whole windows around the margin, block by block. */
function haloOfWindows(margin: number, { blocks, window }: SwinStep): number {
  let halo = margin;
  for (let block = blocks - 1; block >= 0; block--) {
    const shift = shiftOf(block, window);
    halo = roundUp(halo - shift, window) + shift;
  }
  return halo;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function channelsAfter(step: Step, before: number): number {
  return 'to' in step ? step.to : before;
}

function attends(steps: readonly Step[]): boolean {
  return steps.some(({ kind }) => kind === 'attention');
}
