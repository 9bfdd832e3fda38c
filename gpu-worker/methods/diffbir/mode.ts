import type { ColorFix } from '../../../shared/methods/parameters.ts';
import type { Pixels } from '../../images/image.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LatentTile } from '../../tiling/latent-tiles.ts';
import type { RunOptions } from '../../vae/run-stage.ts';
import type { FirstStage } from './first-stage.ts';
import type { DiffbirModels } from './models.ts';

/** All in which the product and the published scripts differ; chosen once for a photo. */
export interface Mode {
  /** `photo`: 8-bit RGB. */
  clean(photo: Pixels, firstStage: FirstStage, options: TileOptions): Promise<Cleaned>;
  /** The timestep that a start at the cleaned picture is noised to; `begins`: of which the sampler expects the noise. */
  startTimestep(begins: number, startSteps: number): number;
  /** Sides in latents. */
  latentTiles(height: number, width: number): LatentTile[];
  /** `condition`: the cleaned picture. */
  see(
    models: Pick<DiffbirModels, 'vae' | 'denoiser'>,
    condition: Tensor,
    tiles: readonly LatentTile[],
    options: SeeOptions,
  ): Promise<Seen>;
  /** `latent`: divided by the scaling factor → the picture as `finish` takes it. */
  decode(vae: DiffbirModels['vae'], latent: Tensor, options: DecodeOptions): Promise<Tensor>;
}

/** The cleaned picture as latents. */
interface Seen {
  /** Of all of it, scaled [1, 4, h, w]; none where every tile has its own. */
  hint?: Tensor;
  /** What ControlNet sees of each tile, [1, C, h, w]. */
  stems: ReadonlyMap<LatentTile, Tensor>;
}

interface Cleaned {
  /** [1, 3, 8h, 8w], 0..1, not clamped. */
  condition: Tensor;
  /** → the result, as many times as large as the photo as the mode makes it. Throws AppError `output-rejected`. */
  finish(decoded: Tensor, colorFix: ColorFix): Pixels;
}

/** Looked at between tiles. */
export interface TileOptions extends RunOptions {
  signal: AbortSignal;
}

interface SeeOptions extends TileOptions {
  /** The hint as ControlNet shall see it, where that is another; the start is made of the clean one. */
  alter?: ((hint: Tensor) => Tensor) | undefined;
}

interface DecodeOptions extends TileOptions {
  /** The cleaned picture, whose colors may be taken. */
  condition: Tensor;
  colorFix: ColorFix;
}
