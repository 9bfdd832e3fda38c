import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { sampleLatent, type Watch } from '../../diffusion/sample-latent.ts';
import { tellStages } from '../../diffusion/tell-stages.ts';
import type { Pixels } from '../../images/image.ts';
import { centered, fromTensor, toTensor } from '../../images/image-tensor.ts';
import { enlargeCubic } from '../../images/torch-resize.ts';
import type { RestorerOptions } from '../../restore/restorer.ts';
import { createResidualShifting } from '../../schedulers/residual-shifting.ts';
import type { NoiseSource } from '../../tensor/keyed-normals.ts';
import { mirrorToMultiple } from '../../tensor/mirror.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { cutWindow } from '../../tensor/window.ts';
import { blendTiles, cutTile } from '../../tiling/latent-tiles.ts';
import { exactVaeTiles } from '../../vae/exact-vae-tiles.ts';
import type { RunOptions } from '../../vae/run-stage.ts';
import { decodeTiled, encodeTiled } from '../../vae/tiled-vae.ts';
import type { Mode } from './mode.ts';
import type { ResshiftModels } from './models.ts';

interface ResshiftOptions extends Pick<RestorerOptions, 'onProgress' | 'signal' | 'savepoints'> {
  mode: Mode;
  noise: NoiseSource;
  /** After each step of each part. */
  onStep?: Watch['onStep'];
}

/** Share of the work that is done when a stage begins. */
const BEGINS = { encode_latent: 0, denoise: 0.15, decode_latent: 0.7 } as const;

/**
 * ResShift from the photo to the picture four times as large (Yue et al. 2023). `photo`: 8-bit RGB.
 * Throws AppError `output-rejected` when the networks give numbers that are not finite, and as the mode does.
 */
export async function restoreByResshift(
  photo: Pixels,
  models: ResshiftModels,
  { onProgress, savepoints, ...options }: ResshiftOptions,
): Promise<Pixels> {
  const { mode } = options;
  const whole = centered(toTensor(photo));
  const parts = mode.parts({ width: MODEL_SCALE * photo.width, height: MODEL_SCALE * photo.height });
  const restored = await blendTiles(parts, async ({ row, column }, part) => {
    const [top, left, height, width] = [row.start, column.start, row.size, column.size].map((at) => at / MODEL_SCALE);
    return await restorePart(cutWindow(whole, { top: top!, left: left!, height: height!, width: width! }), models, {
      ...options,
      part,
      onProgress: (at, share) => onProgress(at, (part + share) / parts.length),
      // A savepoint tells nothing of other parts.
      ...(parts.length === 1 && savepoints && { savepoints }),
    });
  });
  const picture = fromTensor(restored, mode.bitDepth);
  mode.checkDecoded(picture, photo);
  return picture;
}

interface PartOptions extends ResshiftOptions {
  /** Its number: each has noise of its own. */
  part: number;
}

/** [1, 3, h, w], −1..1, any h and w from 1 → [1, 3, 4h, 4w], −1..1. */
async function restorePart(picture: Tensor, models: ResshiftModels, options: PartOptions): Promise<Tensor> {
  const { mode, onProgress, signal } = options;
  const [, , height, width] = picture.shape as [number, number, number, number];
  const latent = await denoise(mirrorToMultiple(picture, mode.unit), models, options);
  const onTile = tellStages(onProgress, BEGINS).ofTiles('decode_latent');
  const decoded = await decodeTiled(models.vq, latent, { tiling: VQ_TILES, signal, onTile });
  const inside = { top: 0, left: 0, height: MODEL_SCALE * height, width: MODEL_SCALE * width };
  const { data, shape } = cutWindow(decoded, inside);
  return { data: data.map((value) => Math.min(1, Math.max(-1, value))), shape };
}

const VQ_TILES = exactVaeTiles(undefined, MODEL_SCALE);

/** The latent of a picture [1, 3, h, w], −1..1, enlarged without a limit to its values and not quantized, [1, 3, h, w]. */
export async function encodePicture(
  picture: Tensor,
  { vq }: Pick<ResshiftModels, 'vq'>,
  options: RunOptions,
): Promise<Tensor> {
  return await encodeTiled(vq, enlargeCubic(picture, MODEL_SCALE), { ...options, tiling: VQ_TILES });
}

/** From the noised latent of the picture to a clean one, [1, 3, h, w]. `picture`: sides are multiples of the unit. */
export async function denoise(
  picture: Tensor,
  models: Pick<ResshiftModels, 'vq' | 'denoiser' | 'shift'>,
  { mode, noise, part, onProgress, onStep, signal, savepoints }: PartOptions,
): Promise<Tensor> {
  const { denoiser, shift } = models;
  const { shape } = picture;
  const [, , height, width] = shape as [number, number, number, number];
  const count = elementCount(shape);
  const scheduler = createResidualShifting(shift);
  const tell = tellStages(onProgress, BEGINS);
  const startAtPhoto = async () => {
    const { data } = await encodePicture(picture, models, { signal, onTile: tell.ofTiles('encode_latent') });
    return scheduler.start(data, noise('start', part, count));
  };
  const start = savepoints?.from ?? { step: 0, state: { sample: await startAtPhoto() } };
  const times = await denoiser.prepare(scheduler.timesteps);
  const tiles = mode.latentTiles(height, width);
  const photos = new Map(tiles.map((tile) => [tile, tiles.length === 1 ? picture : cutTile(picture, tile)]));
  return await sampleLatent({
    shape,
    scheduler,
    start,
    tiles,
    predict: (tile, { data, shape }, step) => {
      const latent = { data: scheduler.normalize(data, step), shape };
      return denoiser.predict({ latent, photo: photos.get(tile)!, time: times[step]! });
    },
    drawNoise: (step) => noise('step', part * shift.steps + step, count),
    ...(savepoints && { save: savepoints.save }),
    watch: { signal, onTile: tell.ofSteps('denoise'), ...(onStep && { onStep }) },
  });
}
