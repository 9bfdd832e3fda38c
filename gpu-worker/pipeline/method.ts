import type { Description, Parameters, Progress } from '../../shared/job.ts';
import type { Pixels } from '../images/image.ts';
import type { Checkpoints } from './checkpoint.ts';
import type { Show } from './live-preview.ts';

/** How a kind of model makes a picture four times larger: the part of the recipe in which they differ. */
export type Method = (pixels: Pixels, options: MethodOptions) => Promise<MethodResult>;

export interface MethodOptions {
  parameters: Parameters;
  /** See `RestoreRequest`. */
  compat: boolean;
  /** One of the model's `TILE_SIZES`. */
  tileSize: number;
  /** `share`: how much of this part is done, 0..1. */
  onProgress: (at: Omit<Progress, 'percent'>, share: number) => void;
  /** Where live previews are wanted. */
  show?: Show;
  /** Where the work shall go on after an interruption; only diffusion models can. */
  checkpoints?: Checkpoints;
  /** Looked at between tiles and steps; an abort makes the call reject with its reason. */
  signal: AbortSignal;
}

export interface MethodResult {
  /** Exactly four times as wide and high, 8 bits, same channels. */
  pixels: Pixels;
  description?: Description;
}
