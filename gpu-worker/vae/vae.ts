import type { Flavor } from '../graphs/onnx.ts';
import type { Device } from '../runtime/devices.ts';
import { createLazySession } from '../runtime/session.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { planStages } from './plan-stages.ts';
import { createStage, type Stage } from './stage.ts';
import type { Step } from './steps.ts';
import { decoderSteps, encoderSteps, type VaeConfig } from './vae-steps.ts';

/** Of latents: a normal distribution at each position, both [1, latent channels, h, w]. */
export interface Posterior {
  mean: Tensor;
  logVariance: Tensor;
}

/** The half of an autoencoder that makes pictures. Every call blocks the thread. */
export interface Decoder {
  /** Latent [1, c, h, w], divided by the scaling factor → [1, 3, f·h, f·w], nominally −1..1, not clamped. */
  decode(latent: Tensor): Promise<Tensor>;
  /** From the latent to the picture, in stages for pictures that are computed tile by tile. */
  decoderStages: PlanStages;
  release(): Promise<void>;
}

/** The half that reads pictures. `Encoded`: what a picture becomes. */
export interface Encoder<Encoded> {
  /** f, sides of a picture over those of its latent: 8, or 4. */
  factor: number;
  /** [1, 3, f·h, f·w], −1..1 → [1, c, h, w], not scaled. */
  encode(image: Tensor): Promise<Encoded>;
  /** From the picture to what the network gives of it. */
  encoderStages: PlanStages;
  /** What the network gives. */
  read(encoded: Tensor): Encoded;
  release(): Promise<void>;
}

interface Autoencoder<Encoded> extends Encoder<Encoded>, Decoder {}

/** The autoencoder of latent diffusion (Rombach et al. 2022, section 3.1): of latents it knows the distribution. */
export type Vae = Autoencoder<Posterior>;
/** The one with a codebook (Esser et al. 2021): latents are points, not quantized before they are decoded. */
export type Vq = Autoencoder<Tensor>;

/**
 * `keeps`: whether a value of so many channels, with sides `scale` times the input's, can be held for a whole picture.
 * `change`: of the steps of the network.
 */
type PlanStages = (
  keeps: (channels: number, scale: number) => boolean,
  change?: (steps: readonly Step[]) => readonly Step[],
) => Stage[];

type Model = Uint8Array | string;

interface HalfOptions {
  config: VaeConfig;
  /** That of the models. */
  flavor?: Flavor;
  device: Device;
}

interface VaeOptions extends HalfOptions {
  /** Models of the graphs of the same name: bytes, or paths. */
  models: { encoder: Model; decoder: Model };
}

/** Outside, the exponential of half of it would leave the range of fp16; as in the published code. */
const LOG_VARIANCE_RANGE = [-30, 20] as const;

/** Everything is loaded at its first use; then throws AppError `engine-failed` as `createSession` does. */
export function createVae(options: VaeOptions): Vae {
  return createAutoencoder(options, splitMoments);
}

/** The same, of a configuration with `codes`. */
export function createVq(options: VaeOptions): Vq {
  return createAutoencoder(options, (latent) => latent);
}

/** The same, of the decoder alone. */
export function createDecoder({ model, ...options }: HalfOptions & { model: Model }): Decoder {
  const decoder = createLazySession(model, options.device);
  return {
    async decode(latent) {
      const { image } = await decoder.run({ latent });
      return image!;
    },
    decoderStages: stagesOf(decoderSteps(options.config), model, options),
    release: () => decoder.release(),
  };
}

/** The same, of the encoder alone. */
export function createVaeEncoder(options: HalfOptions & { model: Model }): Encoder<Posterior> {
  return createEncoder(options, splitMoments);
}

function createAutoencoder<Encoded>(
  { models, ...options }: VaeOptions,
  read: (encoded: Tensor) => Encoded,
): Autoencoder<Encoded> {
  const encoder = createEncoder({ ...options, model: models.encoder }, read);
  const decoder = createDecoder({ ...options, model: models.decoder });
  return {
    ...encoder,
    ...decoder,
    async release() {
      await encoder.release();
      await decoder.release();
    },
  };
}

function createEncoder<Encoded>(
  { model, ...options }: HalfOptions & { model: Model },
  read: (encoded: Tensor) => Encoded,
): Encoder<Encoded> {
  const encoder = createLazySession(model, options.device);
  return {
    factor: 2 ** (options.config.block_out_channels.length - 1),
    async encode(image) {
      const { moments } = await encoder.run({ image });
      return read(moments!);
    },
    encoderStages: stagesOf(encoderSteps(options.config), model, options),
    read,
    release: () => encoder.release(),
  };
}

function stagesOf(steps: Step[], model: Model, { config, flavor, device }: HalfOptions): PlanStages {
  return (keeps, change = () => steps) =>
    planStages(change(steps), keeps).map((plan) =>
      createStage(plan, { model, groups: config.norm_num_groups, flavor, device }),
    );
}

/** Halves of [1, 2 · latent channels, h, w]; the second is clamped. */
export function splitMoments({ data, shape }: Tensor): Posterior {
  const [, channels, height, width] = shape as [number, number, number, number];
  const half = [1, channels / 2, height, width];
  const [lowest, highest] = LOG_VARIANCE_RANGE;
  return {
    mean: { data: data.slice(0, data.length / 2), shape: half },
    logVariance: {
      data: data.slice(data.length / 2).map((value) => Math.min(highest, Math.max(lowest, value))),
      shape: half,
    },
  };
}
