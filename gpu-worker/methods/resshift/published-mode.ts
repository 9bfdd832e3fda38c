import type { Span } from '../../../shared/methods/tile-plan.ts';
import { planLatentTiles } from '../../tiling/latent-tiles.ts';
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
    parts({ width, height }) {
      const columns = chopSpans(width, chop, stride);
      return chopSpans(height, chop, stride).flatMap((row) => columns.map((column) => ({ row, column })));
    },
    unit,
    latentTiles: (height, width) => planLatentTiles({ height, width, size: Math.max(height, width), overlap: 0 }),
    bitDepth: 8,
    checkDecoded: () => {},
  };
}

/** Along one side; the last one is flush with the border and may lie almost on the one before. */
export function chopSpans(side: number, chop: number, stride: number): Span[] {
  if (side <= chop) return [{ start: 0, size: side }];
  const starts = Array.from({ length: Math.ceil(side / stride) }, (_, index) => Math.min(index * stride, side - chop));
  return [...new Set(starts)].map((start) => ({ start, size: chop }));
}
