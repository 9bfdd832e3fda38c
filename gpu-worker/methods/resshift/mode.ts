import type { Size } from '../../../shared/methods/method.ts';
import type { BitDepth } from '../../../shared/output-format.ts';
import type { Pixels } from '../../images/image.ts';
import type { LatentTile } from '../../tiling/latent-tiles.ts';

/** All in which the product and the published script differ; chosen once for a photo. */
export interface Mode {
  /** Of a picture, row by row, for the part of the photo below each: that is restored as if it were a photo. */
  parts(picture: Size): LatentTile[];
  /** A part of the photo is continued to sides that are multiples of it. */
  unit: number;
  /** Of a latent: only what the network expects is tiled. */
  latentTiles(height: number, width: number): LatentTile[];
  /** Of the picture. */
  bitDepth: BitDepth;
  /** The picture as the networks give it, and the photo. Throws AppError `output-rejected`. */
  checkDecoded(picture: Pixels, photo: Pixels): void;
}
