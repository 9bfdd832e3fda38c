import { join } from 'node:path';
import { createTextEncoder } from '../../diffusion/text-encoder.ts';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import type { Device } from '../../runtime/devices.ts';
import type { NoiseScheduleConfig } from '../../schedulers/noise-schedule.ts';
import type { Predicts } from '../../schedulers/predicts.ts';
import { createVaeEncoder, type Encoder, type Posterior } from '../../vae/vae.ts';
import { readStablesrConfig } from './config.ts';
import { createDenoiser, type Denoiser } from './denoiser.ts';
import { networksOfSizes } from './sizes.ts';
import { createWrappedVae, type WrappedVae } from './wrapped-vae.ts';

/** All that the recipe of StableSR calls. */
export interface StablesrModels {
  /** Of the first file: its latent of the photo steers. */
  vae: Encoder<Posterior>;
  /** Of the second file. */
  wrapped: WrappedVae;
  denoiser: Denoiser;
  /** How noise was added in training. */
  schedule: NoiseScheduleConfig;
  predicts: Predicts;
  /** Latents are multiplied by it before noise is added, and divided before they are decoded. */
  scalingFactor: number;
  /** Gives the memory back. */
  release(): Promise<void>;
}

/** The model that was built into `directory`. Its networks are loaded at their first call. */
export async function loadStablesr(directory: string, device: Device): Promise<StablesrModels> {
  const { sizes, flavor } = await readStablesrConfig(join(directory, CONFIG_FILE));
  const { unet, timeAware, vae } = networksOfSizes(sizes);
  const path = (name: string) => join(directory, `${name}.onnx`);
  const textEncoder = createTextEncoder({ model: path('text-encoder'), device, stays: false });
  const networks = {
    vae: createVaeEncoder({ config: vae, model: path('vae-encoder'), flavor, device }),
    wrapped: createWrappedVae({
      config: vae,
      models: { encoder: path('wrapped-encoder'), decoder: path('wrapped-decoder') },
      flavor,
      device,
    }),
    denoiser: createDenoiser({
      models: { context: path('context'), time: path('time'), denoiser: path('denoiser') },
      textEncoder,
      timeChannels: { unet: unet.block_out_channels[0]!, timeAware: timeAware.block_out_channels[0]! },
      device,
    }),
  };
  const { linear_start: betaStart, linear_end: betaEnd, timesteps: trainSteps } = sizes.schedule;
  return {
    ...networks,
    schedule: { trainSteps, betaStart, betaEnd, betaSchedule: 'scaled_linear' },
    predicts: sizes.parameterization === 'eps' ? 'noise' : 'velocity',
    scalingFactor: sizes.scale_factor,
    async release() {
      for (const network of Object.values(networks)) await network.release();
    },
  };
}
