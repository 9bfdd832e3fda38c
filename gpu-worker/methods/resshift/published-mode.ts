import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { planEqualTiles, wholeTile } from '../../tiling/latent-tiles.ts';
import type { Mode } from './mode.ts';

/** Options of the script, in pixels of the photo. */
interface PublishedOptions {
  /** Longest side of a part. */
  chop: number;
  /** From one part to the next. */
  stride: number;
  /** See `Mode`. */
  unit: number;
}

/** Its defaults for the published networks. */
const PUBLISHED: PublishedOptions = { chop: 512, stride: 448, unit: 64 };

/**
 * `inference_resshift.py` (github.com/zsyOAOA/ResShift): a photo with a side above `chop` in parts that know nothing of one
 * another, not even of their noise; the result is not checked, in 8 bits.
 */
export function publishedMode(options: Partial<PublishedOptions> = {}): Mode {
  const { chop, stride, unit } = { ...PUBLISHED, ...options };
  return {
    parts: (picture) => planEqualTiles({ ...picture, size: MODEL_SCALE * chop, stride: MODEL_SCALE * stride }),
    unit,
    latentTiles: (height, width) => wholeTile({ height, width }),
    bitDepth: 8,
    checkDecoded: () => {},
  };
}
