import type { Pixels } from '../../images/image.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LatentTile } from '../../tiling/latent-tiles.ts';
import type { RunOptions } from '../../vae/run-stage.ts';
import type { Decoder } from '../../vae/vae.ts';

/** All in which the product and the published script differ; chosen once for a photo. */
export interface Mode {
  /** 8-bit RGB → [1, 3, h, w], −1..1: the photo, continued at the right and at the bottom to a size of the latent. */
  condition(photo: Pixels): Tensor;
  /** Sides of the latent. */
  latentTiles(height: number, width: number): LatentTile[];
  /** [1, 3, h, w] → [1, 3, 4h, 4w], −1..1, not clamped. */
  decode(decoder: Decoder, latent: Tensor, options: RunOptions): Promise<Tensor>;
  /** [1, 3, h, w], −1..1, not clamped → RGB. Throws AppError `output-rejected`. */
  toPixels(picture: Tensor): Pixels;
  /** The picture as the networks give it, and the photo. Throws AppError `output-rejected`. */
  checkDecoded(picture: Pixels, photo: Pixels): void;
}
