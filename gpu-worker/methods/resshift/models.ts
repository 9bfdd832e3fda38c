import { join } from 'node:path';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import type { Device } from '../../runtime/devices.ts';
import type { ShiftConfig } from '../../schedulers/residual-shifting.ts';
import { createVq, type Vq } from '../../vae/vae.ts';
import { vqConfig } from '../vq-sizes.ts';
import { readResshiftConfig } from './config.ts';
import { createDenoiser, type Denoiser } from './denoiser.ts';

/** All that the recipe of ResShift calls. */
export interface ResshiftModels {
  vq: Vq;
  denoiser: Denoiser;
  shift: ShiftConfig;
  /** The published script continues photos to multiples of it. */
  unit: number;
  /** Gives the memory back. */
  release(): Promise<void>;
}

/** The model that was built into `directory`. Its networks are loaded at their first call. */
export async function loadResshift(directory: string, device: Device): Promise<ResshiftModels> {
  const path = (name: string) => join(directory, `${name}.onnx`);
  const { sizes, shift, flavor } = await readResshiftConfig(join(directory, CONFIG_FILE));
  const networks = {
    vq: createVq({
      config: vqConfig(sizes.vq),
      models: { encoder: path('vq-encoder'), decoder: path('vq-decoder') },
      flavor,
      device,
    }),
    denoiser: createDenoiser({
      models: { time: path('time'), unet: path('unet') },
      timeChannels: sizes.unet.model_channels,
      device,
    }),
  };
  return {
    ...networks,
    shift,
    unit: sizes.unet.lq_size,
    async release() {
      for (const network of Object.values(networks)) await network.release();
    },
  };
}
