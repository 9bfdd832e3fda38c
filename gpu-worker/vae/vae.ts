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

/** The autoencoder of latent diffusion (Rombach et al. 2022, section 3.1). Every call blocks the thread. */
export interface Vae {
  /** Sides of a picture over those of its latent: 8. */
  factor: number;
  /** [1, 3, 8h, 8w], −1..1 → latents [1, c, h, w], not scaled. */
  encode(image: Tensor): Promise<Posterior>;
  /** Latent [1, c, h, w], divided by the scaling factor → [1, 3, 8h, 8w], nominally −1..1, not clamped. */
  decode(latent: Tensor): Promise<Tensor>;
  /** From the picture to the moments, in stages for pictures that are computed tile by tile. */
  encoderStages: PlanStages;
  /** From the latent to the picture. */
  decoderStages: PlanStages;
  release(): Promise<void>;
}

/** `keeps`: whether a value of so many channels, with sides `scale` times the input's, can be held for a whole picture. */
type PlanStages = (keeps: (channels: number, scale: number) => boolean) => Stage[];

interface VaeOptions {
  config: VaeConfig;
  /** Models of the graphs of the same name: bytes, or paths. */
  models: { encoder: Uint8Array | string; decoder: Uint8Array | string };
  /** That of the models. */
  flavor?: Flavor;
  device: Device;
}

/** Outside, the exponential of half of it would leave the range of fp16; as in the published code. */
const LOG_VARIANCE_RANGE = [-30, 20] as const;

/** Everything is loaded at its first use; then throws AppError `engine-failed` as `createSession` does. */
export function createVae(options: VaeOptions): Vae {
  const { config, models, flavor, device } = options;
  const encoder = createLazySession(models.encoder, device);
  const decoder = createLazySession(models.decoder, device);
  const stages = (steps: Step[], model: Uint8Array | string): PlanStages => {
    return (keeps) =>
      planStages(steps, keeps).map((plan) =>
        createStage(plan, { model, groups: config.norm_num_groups, flavor, device }),
      );
  };
  return {
    factor: 2 ** (config.block_out_channels.length - 1),
    async encode(image) {
      const { moments } = await encoder.run({ image });
      return splitMoments(moments!);
    },
    async decode(latent) {
      const { image } = await decoder.run({ latent });
      return image!;
    },
    encoderStages: stages(encoderSteps(config), models.encoder),
    decoderStages: stages(decoderSteps(config), models.decoder),
    async release() {
      await encoder.release();
      await decoder.release();
    },
  };
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
