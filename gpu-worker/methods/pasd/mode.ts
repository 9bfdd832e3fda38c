import type { BitDepth } from '../../../shared/output-format.ts';
import type { Condition } from '../../diffusion/condition.ts';
import type { Pixels } from '../../images/image.ts';
import type { LatentTile } from '../../tiling/latent-tiles.ts';
import type { VaeTiling } from '../../vae/tiled-vae.ts';

/** All in which the product and the published script differ; chosen once for a photo. */
export interface Mode {
  /** `photo`: 8-bit RGB. */
  condition(photo: Pixels): Condition;
  /** Sides in latents. */
  latentTiles(height: number, width: number): LatentTile[];
  /** Latents around a tile that its stem sees as well. */
  stemMargin: number;
  /** Where the last step ends, see `createUniPc`. */
  end: 'clean' | 'timestep-0';
  /** The timestep of a second noise at the start, of which the networks are not told; `timesteps`: those that are called. */
  secondNoise?(timesteps: readonly number[]): number;
  vaeTiling: VaeTiling;
  /** Of the picture. */
  bitDepth: BitDepth;
  /** The picture as the networks give it, and the one that steered them. Throws AppError `output-rejected`. */
  checkDecoded(picture: Pixels, reference: Pixels): void;
}
