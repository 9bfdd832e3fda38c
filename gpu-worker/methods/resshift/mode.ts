import type { Size } from '../../../shared/methods/method.ts';
import type { Span } from '../../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../../shared/output-format.ts';
import type { Pixels } from '../../images/image.ts';
import type { LatentTile } from '../../tiling/latent-tiles.ts';

/** Of the photo. */
export interface Part {
  row: Span;
  column: Span;
}

/** All in which the product and the published script differ; chosen once for a photo. */
export interface Mode {
  /** Row by row: each is restored as if it were a photo; where several lie, the result is their mean. */
  parts(photo: Size): Part[];
  /** A part is continued to sides that are multiples of it. */
  unit: number;
  /** Of a latent: only what the network expects is tiled. */
  latentTiles(height: number, width: number): LatentTile[];
  /** Of the picture. */
  bitDepth: BitDepth;
  /** The picture as the networks give it, and the photo. Throws AppError `output-rejected`. */
  checkDecoded(picture: Pixels, photo: Pixels): void;
}
