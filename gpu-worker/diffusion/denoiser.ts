import type { Device } from '../runtime/devices.ts';
import { createLazySession } from '../runtime/session.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { splitRows, timestepSinusoids } from './timestep-rows.ts';

/** The conditions of the denoiser for one image; made once, used in every step and tile. */
interface Conditioning {
  /** The outputs of the context graph. */
  contexts: Readonly<Record<string, Tensor>>;
  /** One for each timestep. */
  times: readonly Tensor[];
}

interface PrepareInput {
  /** The inputs of the context graph: of a text one [batch, 77, d], or, for guidance, the negative and the positive. */
  contexts: Readonly<Record<string, Tensor>>;
  /** In the order of the steps. */
  timesteps: readonly number[];
}

interface PredictInput {
  /** [1 or batch, c, h, w]; one serves all texts of the batch. */
  latent: Tensor;
  conditioning: Conditioning;
  /** Index into the timesteps that `prepare` was given. */
  step: number;
  /** [1, C, h, w] of `stem`, or that part of it which belongs to a tile. */
  stem: Tensor;
  /** Weight of ControlNet. */
  conditioningScale: number;
}

/** ControlNet and UNet. Every call blocks the thread. */
export interface Denoiser {
  /** Everything that stays the same from step to step. */
  prepare(input: PrepareInput): Promise<Conditioning>;
  /** The condition of a picture or tile, as ControlNet sees it: → [1, C, h, w]. */
  stem(condition: Tensor): Promise<Tensor>;
  /** The prediction for the latent, [batch, c, h, w]. */
  predict(input: PredictInput): Promise<Tensor>;
  /** How often each part ran since the start. */
  readonly runs: Readonly<Record<Part, number>>;
  release(): Promise<void>;
}

type Part = 'context' | 'time' | 'stem' | 'denoiser';

interface DenoiserOptions {
  /** Models of the graphs of the same name: bytes, or paths. */
  models: Record<Part, Uint8Array | string>;
  /** C, the first of the block channels: the width of the time embedding. */
  timeChannels: number;
  device: Device;
}

/** Loaded at their first calls, which then throw as `createSession` does. */
export function createDenoiser({ models, timeChannels, device }: DenoiserOptions): Denoiser {
  const context = createLazySession(models.context, device);
  const time = createLazySession(models.time, device);
  const stem = createLazySession(models.stem, device);
  const denoiser = createLazySession(models.denoiser, device);
  const runs = { context: 0, time: 0, stem: 0, denoiser: 0 };
  return {
    runs,
    async prepare({ contexts, timesteps }) {
      runs.context++;
      const packed = await context.run(contexts);
      runs.time++;
      const { time: rows } = await time.run({ sinusoids: timestepSinusoids(timesteps, timeChannels) });
      return { contexts: packed, times: splitRows(rows!) };
    },
    async stem(condition) {
      runs.stem++;
      const { stem: seen } = await stem.run({ condition });
      return seen!;
    },
    async predict({ latent, conditioning, step, stem: seen, conditioningScale }) {
      const row = conditioning.times[step];
      if (!row) throw new RangeError(`step ${step} is not one of the ${conditioning.times.length} that were prepared.`);
      runs.denoiser++;
      const { eps } = await denoiser.run({
        ...conditioning.contexts,
        latent,
        time: row,
        stem: seen,
        conditioning_scale: { data: new Float32Array([conditioningScale]), shape: [1] },
      });
      return eps!;
    },
    async release() {
      await Promise.all([context, time, stem, denoiser].map((session) => session.release()));
    },
  };
}
