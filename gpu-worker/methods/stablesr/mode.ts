import type { ColorFix } from '../../../shared/methods/parameters.ts';
import type { Pixels } from '../../images/image.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LatentTile } from '../../tiling/latent-tiles.ts';

/** All in which the product and the published script differ; chosen once for a photo. */
export interface Mode {
  /** Sides in latents. */
  latentTiles(height: number, width: number): LatentTile[];
  /** The picture four times as large as `photo` (8-bit RGB). Throws AppError `output-rejected`. */
  restore(photo: Pixels, colorFix: ColorFix, repaint: Repaint): Promise<Pixels>;
}

/** What the networks make of a picture [1, 3, 8h, 8w], −1..1, not clamped; `at`: which of so many in a photo. */
export type Repaint = (picture: Tensor, at: { index: number; count: number }) => Promise<Tensor>;
