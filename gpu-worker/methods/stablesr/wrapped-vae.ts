import { coverEvenly } from '../../../shared/methods/tile-plan.ts';
import type { Flavor } from '../../graphs/onnx.ts';
import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { inOrder, type Part, scaledTiles, type Tiles } from '../../vae/exact-tiles.ts';
import { TILE_PIXELS, WHOLE_PIXELS } from '../../vae/exact-vae-tiles.ts';
import { keepsUpTo, planStages } from '../../vae/plan-stages.ts';
import { type RunOptions, runAlone } from '../../vae/run-stage.ts';
import { createStage } from '../../vae/stage.ts';
import type { Step } from '../../vae/steps.ts';
import { type Posterior, splitMoments } from '../../vae/vae.ts';
import { type WrappedConfig, wrappedParts } from './wrapped-steps.ts';

/**
 * The autoencoder whose decoder looks at the photo as the encoder saw it. Pictures of any size, in one piece or in exact
 * tiles. Every call blocks the thread.
 */
export interface WrappedVae {
  /** Picture [1, 3, 8h, 8w], −1..1, in one piece → latents, not scaled. */
  encode(image: Tensor): Promise<Posterior>;
  /** The same picture → its features from fine to coarse, see `wrappedEncoder`. They take 400 bytes a pixel. */
  features(image: Tensor, options: WrappedOptions): Promise<Tensor[]>;
  /** Latent [1, c, h, w], divided by the scaling factor → picture [1, 3, 8h, 8w], not clamped. `weight`: of the features. */
  decode(latent: Tensor, features: readonly Tensor[], weight: number, options: WrappedOptions): Promise<Tensor>;
  release(): Promise<void>;
}

interface WrappedOptions extends RunOptions {
  /** Longest side of a tile in pixels of the picture, instead of that of the autoencoder. */
  tileSize?: number;
}

interface CreateOptions {
  config: WrappedConfig;
  /** Models of the graphs `wrappedEncoder` and `wrappedDecoder`: bytes, or paths. */
  models: { encoder: Uint8Array | string; decoder: Uint8Array | string };
  /** That of the models. */
  flavor?: Flavor;
  device: Device;
}

/** Everything is loaded at its first use; then throws AppError `engine-failed` as `createSession` does. */
export function createWrappedVae({ config, models, flavor, device }: CreateOptions): WrappedVae {
  const encoder = createLazySession(models.encoder, device);
  const decoder = createLazySession(models.decoder, device);
  const parts = wrappedParts(config);
  const factor = 2 ** (config.block_out_channels.length - 1);

  /** `input`: of the part, [1, c, h, w]. */
  const stagesOf = (steps: readonly Step[], shape: readonly number[], model: Uint8Array | string) =>
    planStages(steps, keepsUpTo(undefined, { shape })).map((plan) =>
      createStage(plan, { model, groups: config.norm_num_groups, flavor, device }),
    );

  /** `scale`: of the input of a part to what the tiles are of. */
  const planner = ({ height, width }: Sides, tiles: Tiles, model: Uint8Array | string) => {
    return (steps: readonly Step[], scale: number): Part => ({
      stages: stagesOf(steps, [1, 0, height * scale, width * scale], model),
      tiles: scaledTiles(tiles, scale),
    });
  };

  async function featuresInTiles(image: Tensor, { tileSize, ...options }: WrappedOptions): Promise<Tensor[]> {
    const sides = sidesOf(image);
    const plan = planner(sides, tilesOf(sides, tileSize ?? TILE_PIXELS, factor), models.encoder);
    const planned = parts.encoder.slice(0, -1).map((steps, level) => plan(steps, 1 / 2 ** level));
    const run = inOrder(planned, options);
    const features: Tensor[] = [];
    for (const part of planned) features.push(await run(part, features.at(-1) ?? image));
    return features;
  }

  async function decodeInTiles(
    latent: Tensor,
    features: readonly Tensor[],
    weight: number,
    { tileSize, ...options }: WrappedOptions,
  ): Promise<Tensor> {
    const sides = sidesOf(latent);
    const plan = planner(sides, tilesOf(sides, (tileSize ?? TILE_PIXELS) / factor, 1), models.decoder);
    // Each part enlarges by 2, and a fusion changes its result.
    const planned = parts.decoder.map((steps, index) => plan(steps, 2 ** index));
    const fused = weight === 0 ? [] : parts.fusions.map(({ steps }, index) => plan(steps, 2 ** (index + 1)));
    const run = inOrder([...planned, ...fused], options);
    let value = latent;
    for (const [index, part] of planned.entries()) {
      value = await run(part, value);
      const fusion = fused[index];
      if (!fusion) continue;
      const feature = features[parts.fusions[index]!.feature]!;
      addTimes(value, await run(fusion, sideBySide(feature, value)), weight);
    }
    return value;
  }

  return {
    async encode(image) {
      const { moments } = await encoder.run({ image });
      return splitMoments(moments!);
    },
    async features(image, options) {
      if (!fits(image, options.tileSize ?? WHOLE_PIXELS)) return await featuresInTiles(image, options);
      const values = await runAlone(() => encoder.run({ image }), options);
      return parts.encoder.slice(0, -1).map((_, index) => values[`feature_${index}`]!);
    },
    async decode(latent, features, weight, options) {
      if (!fits(latent, (options.tileSize ?? WHOLE_PIXELS) / factor))
        return await decodeInTiles(latent, features, weight, options);
      const inputs = Object.fromEntries(features.map((feature, index) => [`feature_${index}`, feature]));
      const weights = { data: new Float32Array([weight]), shape: [1] };
      const { image } = await runAlone(() => decoder.run({ latent, ...inputs, weight: weights }), options);
      return image!;
    },
    async release() {
      await encoder.release();
      await decoder.release();
    },
  };
}

interface Sides {
  height: number;
  width: number;
}

function sidesOf({ shape }: Tensor): Sides {
  const [, , height, width] = shape as [number, number, number, number];
  return { height, width };
}

function fits(picture: Tensor, side: number): boolean {
  const { height, width } = sidesOf(picture);
  return height * width <= side ** 2;
}

function tilesOf({ height, width }: Sides, tileSize: number, unit: number): Tiles {
  return { rows: coverEvenly(height, tileSize, unit), columns: coverEvenly(width, tileSize, unit) };
}

/** [1, a, h, w] and [1, b, h, w] → [1, a + b, h, w]. */
function sideBySide(first: Tensor, second: Tensor): Tensor {
  const [, channels, height, width] = first.shape as [number, number, number, number];
  const shape = [1, channels + second.shape[1]!, height, width];
  const data = new Float32Array(elementCount(shape));
  data.set(first.data);
  data.set(second.data, first.data.length);
  return { data, shape };
}

function addTimes({ data }: Tensor, { data: change }: Tensor, weight: number): void {
  for (let index = 0; index < data.length; index++) data[index]! += weight * change[index]!;
}
