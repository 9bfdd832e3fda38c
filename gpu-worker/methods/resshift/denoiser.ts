import { splitRows, timestepSinusoids } from '../../diffusion/timestep-rows.ts';
import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import type { Tensor } from '../../tensor/tensor.ts';

interface PredictInput {
  /** [1, 3, h, w], of deviation 1. */
  latent: Tensor;
  /** [1, 3, h, w], −1..1. */
  photo: Tensor;
  /** One of those that `prepare` gave. */
  time: Tensor;
}

/** The UNet. Every call blocks the thread. */
export interface Denoiser {
  /** What the network has to know of each timestep, in their order. */
  prepare(timesteps: readonly number[]): Promise<readonly Tensor[]>;
  /** The clean latent, [1, 3, h, w]. */
  predict(input: PredictInput): Promise<Tensor>;
  release(): Promise<void>;
}

interface DenoiserOptions {
  /** Models of the graphs of the same name: bytes, or paths. */
  models: Record<'time' | 'unet', Uint8Array | string>;
  /** Channels of the model: the width of the sinusoids. */
  timeChannels: number;
  device: Device;
}

/** Loaded at their first calls, which then throw as `createSession` does. */
export function createDenoiser({ models, timeChannels, device }: DenoiserOptions): Denoiser {
  const time = createLazySession(models.time, device);
  const unet = createLazySession(models.unet, device);
  return {
    async prepare(timesteps) {
      const { time: rows } = await time.run({ sinusoids: timestepSinusoids(timesteps, timeChannels) });
      return splitRows(rows!);
    },
    async predict(input) {
      const { clean } = await unet.run({ ...input });
      return clean!;
    },
    async release() {
      await Promise.all([time, unet].map((session) => session.release()));
    },
  };
}
