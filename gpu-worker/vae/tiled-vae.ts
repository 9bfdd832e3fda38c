import type { Tensor } from '../tensor/tensor.ts';
import { keepsUpTo } from './plan-stages.ts';
import { type RunOptions, runAlone } from './run-stage.ts';
import type { Stage } from './stage.ts';
import type { Step } from './steps.ts';
import type { Decoder, Encoder } from './vae.ts';

/** The unit of the sides of an input: the encoder's in pixels, the decoder's in latents. */
type Unit = 'pixels' | 'latents';

/** The treatment of a picture or latent that is too large for one piece. */
export interface VaeTiling {
  /** Whether the network takes it in one piece. */
  fits(height: number, width: number, unit: Unit): boolean;
  run(stages: readonly Stage[], input: Tensor, unit: Unit, options: RunOptions): Promise<Tensor>;
  /** Of tiles, in place of the steps of the network. */
  steps?(steps: readonly Step[]): Step[];
}

export interface TiledVaeOptions extends RunOptions {
  tiling: VaeTiling;
  /** Limit of the data held between stages, twice; more is computed anew where it does not suffice. */
  maxKeptBytes?: number;
}

/** Picture [1, 3, f·h, f·w], −1..1, of any size → latents, not scaled. Throws RangeError for other sides. */
export async function encodeTiled<Encoded>(
  vae: Encoder<Encoded>,
  image: Tensor,
  options: TiledVaeOptions,
): Promise<Encoded> {
  const uneven = image.shape.slice(2).find((side) => side % vae.factor !== 0);
  if (uneven) throw new RangeError(`The sides of a picture to encode are multiples of ${vae.factor}, not ${uneven}.`);
  if (fits(image, 'pixels', options)) return await runAlone(() => vae.encode(image), options);
  const stages = vae.encoderStages(keepsUpTo(options.maxKeptBytes, image), options.tiling.steps);
  return vae.read(await options.tiling.run(stages, image, 'pixels', options));
}

/** Latent [1, c, h, w], divided by the scaling factor, of any size → picture [1, 3, f·h, f·w], not clamped. */
export async function decodeTiled(decoder: Decoder, latent: Tensor, options: TiledVaeOptions): Promise<Tensor> {
  if (fits(latent, 'latents', options)) return await runAlone(() => decoder.decode(latent), options);
  const stages = decoder.decoderStages(keepsUpTo(options.maxKeptBytes, latent), options.tiling.steps);
  return await options.tiling.run(stages, latent, 'latents', options);
}

function fits({ shape }: Tensor, unit: Unit, { tiling }: TiledVaeOptions): boolean {
  const [, , height, width] = shape as [number, number, number, number];
  return tiling.fits(height, width, unit);
}
