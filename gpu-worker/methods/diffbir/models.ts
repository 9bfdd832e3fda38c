import { join } from 'node:path';
import { createDenoiser, type Denoiser } from '../../diffusion/denoiser.ts';
import { createTextEncoder, type TextEncoder } from '../../diffusion/text-encoder.ts';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import type { Device } from '../../runtime/devices.ts';
import type { NoiseScheduleConfig } from '../../schedulers/noise-schedule.ts';
import { createVae, type Vae } from '../../vae/vae.ts';
import { readDiffbirConfig } from './config.ts';
import { createSwinir, type FirstStage } from './swinir.ts';

/** All that the recipe of DiffBIR calls. */
export interface DiffbirModels {
  firstStage: FirstStage;
  /** Its encoder is the one of conditions. */
  vae: Vae;
  textEncoder: TextEncoder;
  denoiser: Denoiser;
  latentChannels: number;
  /** Gives the memory back. */
  release(): Promise<void>;
}

/** How noise was added in training: as in Stable Diffusion 2. */
export const SCHEDULE: NoiseScheduleConfig = {
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
};

/** Latents are multiplied by it before noise is added, and divided before they are decoded. */
export const SCALING_FACTOR = 0.18215;

/** Ids of the empty text, all that the published script ever gives: start, end, and zeros up to 77. */
export const EMPTY_TEXT: readonly number[] = [49_406, 49_407, ...Array<number>(75).fill(0)];

/** The model that was built into `directory`. Its networks are loaded at their first call. */
export async function loadDiffbir(directory: string, device: Device): Promise<DiffbirModels> {
  const path = (name: string) => join(directory, `${name}.onnx`);
  const { flavor, timeChannels, swinir, vae } = await readDiffbirConfig(join(directory, CONFIG_FILE));
  const networks = {
    firstStage: createSwinir({ sizes: swinir, model: path('swinir'), flavor, device }),
    vae: createVae({
      config: vae,
      models: { encoder: path('vae-encoder'), decoder: path('vae-decoder') },
      flavor,
      device,
    }),
    // The text is always the same, and asked for once a photo.
    textEncoder: createTextEncoder({ model: path('text-encoder'), device, stays: false }),
    denoiser: createDenoiser({
      models: { context: path('context'), time: path('time'), stem: path('stem'), denoiser: path('denoiser') },
      timeChannels,
      device,
    }),
  };
  return {
    ...networks,
    latentChannels: vae.latent_channels,
    async release() {
      for (const network of Object.values(networks)) await network.release();
    },
  };
}
