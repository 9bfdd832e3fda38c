import type { Size } from './methods/method.ts';
import { MODEL_SCALE } from './methods/tile-plan.ts';
import type { Target } from './target.ts';

/** How large a photo becomes, in whole pixels. */

export interface Enlargement {
  /** Of the sides; absent where there is a target. */
  scale?: number | undefined;
  target?: Target | undefined;
}

/** `photo`: upright. The side that a target names is met exactly. */
export function enlargedSize(photo: Size, { scale = MODEL_SCALE, target }: Enlargement): Size {
  if (!target) return { width: scaleSide(photo.width, scale), height: scaleSide(photo.height, scale) };
  const { width, height, megapixels } = target;
  if (megapixels !== undefined) {
    const factor = Math.sqrt((megapixels * 1e6) / (photo.width * photo.height));
    return { width: scaleSide(photo.width, factor), height: scaleSide(photo.height, factor) };
  }
  const isWidthNarrower = height === undefined || (width !== undefined && width * photo.height <= height * photo.width);
  return isWidthNarrower
    ? { width: width!, height: scaleSide(photo.height, width!, photo.width) }
    : { width: scaleSide(photo.width, height, photo.height), height };
}

/** By a fraction, rounded once. */
export function scaleSide(side: number, numerator: number, denominator = 1): number {
  return Math.max(1, Math.round((side * numerator) / denominator));
}
