import type { TextEncoder } from '../../diffusion/text-encoder.ts';
import { splitRows, timestepSinusoids } from '../../diffusion/timestep-rows.ts';
import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Time-aware encoder and modulated UNet. Every call blocks the thread. */
export interface Denoiser {
  /** The times of all steps, in their order; one [1, ..] each. */
  times(timesteps: readonly number[]): Promise<Tensor[]>;
  /**
   * The noise in the sample, or its velocity, [1, 4, h, w]. `latent`: the sample, `photo`: the latent of the photo, both
   * [1, 4, h, w] or the same part of it.
   */
  predict(input: { latent: Tensor; photo: Tensor; time: Tensor }): Promise<Tensor>;
  release(): Promise<void>;
}

interface DenoiserOptions {
  /** Models of the graphs of the same name: bytes, or paths. */
  models: Record<'context' | 'time' | 'denoiser', Uint8Array | string>;
  textEncoder: TextEncoder;
  /** Widths of the sinusoids of timesteps, see `timeGraph`. */
  timeChannels: { unet: number; timeAware: number };
  device: Device;
}

/** The empty prompt, of which StableSR says nothing else: begin, end, and zeros where others repeat the end. */
const NO_WORDS = [49_406, 49_407];

export function emptyPrompt(tokens: number): number[] {
  return Array.from({ length: tokens }, (_, position) => NO_WORDS[position] ?? 0);
}

const TOKENS = 77;

/** Loaded at their first calls, which then throw as `createSession` does. */
export function createDenoiser({ models, textEncoder, timeChannels, device }: DenoiserOptions): Denoiser {
  const context = createLazySession(models.context, device, { stays: false });
  const time = createLazySession(models.time, device);
  const denoiser = createLazySession(models.denoiser, device);
  /** The same for every photo. */
  let words: Promise<Tensor> | undefined;
  const readWords = async () => {
    const { text_context: read } = await context.run({ text: await textEncoder.encode([emptyPrompt(TOKENS)]) });
    return read!;
  };
  return {
    async times(timesteps) {
      const { time: rows } = await time.run({
        sinusoids: timestepSinusoids(timesteps, timeChannels.unet),
        photo_sinusoids: timestepSinusoids(timesteps, timeChannels.timeAware),
      });
      return splitRows(rows!);
    },
    async predict(inputs) {
      words ??= readWords();
      const { eps } = await denoiser.run({ ...inputs, text_context: await words });
      return eps!;
    },
    async release() {
      await Promise.all([context, time, denoiser].map((session) => session.release()));
    },
  };
}
