import type { Tensor } from '../../tensor/tensor.ts';
import type { RunOptions } from '../../vae/run-stage.ts';

/**
 * The network in front: takes noise, blur and JPEG marks out of a picture, and its fine detail with them. Loaded at its first
 * use.
 */
export interface FirstStage {
  /** Sides of its result over those of the picture. */
  scale: number;
  /** [1, 3, h, w] 0..1 → [1, 3, scale·h, scale·w], not clamped; of large pictures tile by tile, with the same result. */
  clean(picture: Tensor, options: CleanOptions): Promise<Tensor>;
  /** Gives the memory back. */
  release(): Promise<void>;
}

interface CleanOptions extends RunOptions {
  /** Longest side of what is computed at once; by default what takes little memory. */
  tileSize?: number;
}
