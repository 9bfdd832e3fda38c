/**
 * One step from [1, channels, h, w] to the next. The network is a list of them, so that it can be computed at once or,
 * where a picture is too large, be interrupted wherever a norm needs to know the whole picture.
 */
export type Step =
  | { kind: 'convolution'; name: string; from: number; to: number; side: 1 | 3 }
  /** Group normalization: the mean and variance of groups of channels over the whole picture become 0 and 1. */
  | { kind: 'norm'; name: string; channels: number }
  /** The same over one tile, whatever the others hold. */
  | { kind: 'tile-norm'; name: string; channels: number }
  | { kind: 'silu' }
  /** Every position looks at every other. */
  | { kind: 'attention'; name: string; channels: number }
  | { kind: 'downsample'; name: string; channels: number }
  | { kind: 'upsample'; name: string; from: number; to: number }
  /** Remembers the value for the next `join`. */
  | { kind: 'branch' }
  /** Adds the remembered value, by a 1 × 1 convolution where the channels differ. */
  | { kind: 'join'; shortcut?: { name: string; from: number; to: number } }
  /**
   * A 4 × 4 convolution, whose map has one row and one column less, and a 3 × 3 one that halves that. One step, as
   * positions between the two belong to no tile.
   */
  | { kind: 'entry'; names: readonly [string, string]; from: number; between: number; to: number }
  /** Pixels of `factor` × `factor` become channels, place by place within each. */
  | { kind: 'unshuffle'; factor: number; channels: number }
  /** The channels of every position become 0 and 1 in mean and variance. */
  | { kind: 'layer norm'; name: string; channels: number }
  | { kind: 'leaky'; slope: number }
  /** Adds a number to each channel. */
  | { kind: 'shift'; by: readonly number[] }
  /** Three dense blocks of five convolutions, as in ESRGAN. */
  | { kind: 'residual-dense'; name: string; channels: number; growth: number }
  | SwinStep
  /** Every position becomes the code that is nearest to it. */
  | { kind: 'quantize'; name: string; codes: number; channels: number }
  /** Gives the value out, see `GraphOptions`. */
  | { kind: 'probe'; name: string };

/** Swin transformer blocks `name.blocks.0` and so on. The windows of every second one are shifted by half of their side. */
export interface SwinStep {
  kind: 'swin';
  name: string;
  blocks: number;
  channels: number;
  /** Of the feed-forward layer: four times as many by default. */
  hidden?: number;
  heads: number;
  /** Positions a side. */
  window: number;
}

/** Of a block of a `swin` step. */
export function shiftOf(block: number, window: number): number {
  return block % 2 === 0 ? 0 : window / 2;
}

/** Sides of the result over those of the input. */
export function scaleOf(step: Step): number {
  const { kind } = step;
  if (kind === 'unshuffle') return 1 / step.factor;
  if (kind === 'upsample') return 2;
  return kind === 'downsample' || kind === 'entry' ? 1 / 2 : 1;
}
