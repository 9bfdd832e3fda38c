import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** The conditions of the denoiser for one image; made once, used in every step and tile. */
interface Conditioning {
  textContext: Tensor;
  imageContext: Tensor;
  /** One for each timestep. */
  times: readonly Tensor[];
}

interface PredictInput {
  /** [1 or batch, 4, h, w]; one serves all texts of the batch. */
  latent: Tensor;
  conditioning: Conditioning;
  /** Index into the timesteps that `prepare` was given. */
  step: number;
  /** [1, C, h, w] of `stem`, or that part of it which belongs to a tile. */
  stem: Tensor;
  /** Weight of ControlNet, 1 in the paper. */
  conditioningScale: number;
}

/** ControlNet and UNet with both kinds of attention. Every call blocks the thread. */
export interface Denoiser {
  /**
   * `text` [batch, 77, d], one or, for guidance, the negative and the positive; `imageEmbeds` [1, 145, 512];
   * `timesteps` in the order of the steps. Everything that stays the same from step to step.
   */
  prepare(input: { text: Tensor; imageEmbeds: Tensor; timesteps: readonly number[] }): Promise<Conditioning>;
  /** `condition` [1, 3, 8h, 8w], RGB 0..1 → [1, C, h, w]. */
  stem(condition: Tensor): Promise<Tensor>;
  /** The noise in the latent, [batch, 4, h, w]. */
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
    async prepare({ text, imageEmbeds, timesteps }) {
      runs.context++;
      const contexts = await context.run({ text, image_embeds: imageEmbeds });
      runs.time++;
      const { time: rows } = await time.run({ sinusoids: timestepSinusoids(timesteps, timeChannels) });
      return { textContext: contexts.text_context!, imageContext: contexts.image_context!, times: splitRows(rows!) };
    },
    async stem(condition) {
      runs.stem++;
      const { stem: pixels } = await stem.run({ condition });
      return pixels!;
    },
    async predict({ latent, conditioning, step, stem: pixels, conditioningScale }) {
      const row = conditioning.times[step];
      if (!row) throw new RangeError(`step ${step} is not one of the ${conditioning.times.length} that were prepared.`);
      runs.denoiser++;
      const { eps } = await denoiser.run({
        latent,
        time: row,
        text_context: conditioning.textContext,
        image_context: conditioning.imageContext,
        stem: pixels,
        conditioning_scale: { data: new Float32Array([conditioningScale]), shape: [1] },
      });
      return eps!;
    },
    async release() {
      await Promise.all([context, time, stem, denoiser].map((session) => session.release()));
    },
  };
}

/** [timesteps, channels]: cosines, then sines, of frequencies that fall from 1 to 1/10000 (Vaswani et al. 2017). */
export function timestepSinusoids(timesteps: readonly number[], channels: number): Tensor {
  const half = Math.floor(channels / 2);
  const data = new Float32Array(timesteps.length * channels);
  for (const [row, timestep] of timesteps.entries()) {
    for (let index = 0; index < half; index++) {
      const angle = timestep * Math.exp((-Math.log(10_000) * index) / half);
      data[row * channels + index] = Math.cos(angle);
      data[row * channels + half + index] = Math.sin(angle);
    }
  }
  return { data, shape: [timesteps.length, channels] };
}

function splitRows({ data, shape }: Tensor): Tensor[] {
  const [rows, size] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => ({
    data: data.subarray(row * size, (row + 1) * size),
    shape: [1, size],
  }));
}
