import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { type Posterior, splitMoments } from '../models/posterior.ts';
import type { Vae, VaeStage } from '../models/vae.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { runCompatTiles } from './compat-vae-tiles.ts';
import { runExactTiles } from './exact-vae-tiles.ts';
import type { RunOptions } from './vae-stage.ts';
import { fitsVaeTile } from './vae-tiles.ts';

interface TiledVaeOptions extends RunOptions {
  /**
   * Repeats the published script: every tile is computed with its margin as if it were a picture, only the norms are
   * put together from all of them, roughly. Otherwise the result is that of the whole picture.
   */
  compat: boolean;
  /** Longest side of a tile without its margins, in positions of the input. */
  tileSize?: number;
  /** What may be held between stages, twice; where it does not suffice, more is computed anew. */
  maxKeptBytes?: number;
}

/** In exact mode: up to 768² pixels in one piece, which takes 3.5 GB, half of what the denoiser needs. */
const EXACT_WHOLE = { pixels: 768, latents: 96 };
/** Beyond that the child stays below 4 GB: the first layers of such a tile take 1.6 GB, values kept 2 GB. */
const EXACT_TILE = { pixels: 512, latents: 64 };
const MAX_KEPT_BYTES = 2 ** 30;
const BYTES_PER_NUMBER = 4;
/** Of the published script (github.com/cswry/SeeSR, its tiled VAE). */
const COMPAT_TILE = { pixels: 1024, latents: 224 };
const COMPAT_MARGIN = { pixels: 32, latents: 11 };

/** Picture [1, 3, 8h, 8w], −1..1, of any size → latents, not scaled. Throws RangeError for other sides. */
export async function encodeTiled(vae: Vae, image: Tensor, options: TiledVaeOptions): Promise<Posterior> {
  const uneven = image.shape.slice(2).find((side) => side % vae.factor !== 0);
  if (uneven) throw new RangeError(`The sides of a picture to encode are multiples of ${vae.factor}, not ${uneven}.`);
  if (fits(image, 'pixels', options)) return await alone(() => vae.encode(image), options);
  return splitMoments(await runTiled(vae.encoderStages(keeps(image, options)), image, 'pixels', options));
}

/** Latent [1, c, h, w], divided by the scaling factor, of any size → picture [1, 3, 8h, 8w], not clamped. */
export async function decodeTiled(vae: Vae, latent: Tensor, options: TiledVaeOptions): Promise<Tensor> {
  if (fits(latent, 'latents', options)) return await alone(() => vae.decode(latent), options);
  return await runTiled(vae.decoderStages(keeps(latent, options)), latent, 'latents', options);
}

type Unit = 'pixels' | 'latents';

/** Whether the network takes the picture in one piece: by the longest side, or by the area where memory decides. */
function fits({ shape }: Tensor, unit: Unit, { compat, tileSize }: TiledVaeOptions): boolean {
  const [, , height, width] = shape as [number, number, number, number];
  if (compat) return fitsVaeTile(height, width, compatLayout(unit, tileSize));
  return height * width <= (tileSize ?? EXACT_WHOLE[unit]) ** 2;
}

async function alone<Result>(compute: () => Promise<Result>, { onTile, signal }: TiledVaeOptions): Promise<Result> {
  onTile?.(0, 1);
  await eventLoopTurn();
  signal?.throwIfAborted();
  const result = await compute();
  onTile?.(1, 1);
  return result;
}

function keeps({ shape }: Tensor, { maxKeptBytes = MAX_KEPT_BYTES }: TiledVaeOptions) {
  const [, , height, width] = shape as [number, number, number, number];
  return (channels: number, scale: number) =>
    channels * height * scale * width * scale * BYTES_PER_NUMBER <= maxKeptBytes;
}

function compatLayout(unit: Unit, tileSize = COMPAT_TILE[unit]) {
  return { tileSize, margin: COMPAT_MARGIN[unit] };
}

async function runTiled(stages: VaeStage[], input: Tensor, unit: Unit, options: TiledVaeOptions): Promise<Tensor> {
  const { compat, tileSize } = options;
  if (compat) return await runCompatTiles(stages, input, compatLayout(unit, tileSize), options);
  return await runExactTiles(stages, input, tileSize ?? EXACT_TILE[unit], options);
}
