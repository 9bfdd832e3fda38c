import { join } from 'node:path';
import { splitRows, timestepSinusoids } from '../../diffusion/timestep-rows.ts';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import type { Device } from '../../runtime/devices.ts';
import { createLazySession } from '../../runtime/session.ts';
import { createNoiseSchedule, type NoiseSchedule } from '../../schedulers/noise-schedule.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { createDecoder, type Decoder } from '../../vae/vae.ts';
import { vqConfig } from '../vq-sizes.ts';
import { type LdmConfig, type LdmSizes, readLdmConfig } from './config.ts';
import type { NetworkName } from './networks.ts';

/** All that the recipe of LDM-SR calls; loaded at the first call. */
export interface LdmModels {
  schedule: NoiseSchedule;
  /** Of the latent. */
  channels: number;
  /** What each timestep tells the network: one row each for `predict`. */
  timeRows(timesteps: readonly number[]): Promise<Tensor[]>;
  /** The noise in `latent`; both [1, 3, h, w], −1..1, sides multiples of 8. Blocks the thread. */
  predict(input: { latent: Tensor; photo: Tensor; time: Tensor }): Promise<Tensor>;
  decoder: Decoder;
  release(): Promise<void>;
}

interface LdmOptions extends LdmConfig {
  /** Models of the graphs of the same name: bytes, or paths. */
  models: Record<NetworkName, Uint8Array | string>;
  device: Device;
}

export function createLdm({ sizes, flavor, models, device }: LdmOptions): LdmModels {
  const time = createLazySession(models.time, device);
  const denoiser = createLazySession(models.denoiser, device);
  const decoder = createDecoder({ config: vqConfig(sizes.vq), model: models['vq-decoder'], flavor, device });
  return {
    schedule: ldmSchedule(sizes),
    channels: sizes.vq.z_channels,
    async timeRows(called) {
      const { time: rows } = await time.run({ sinusoids: timestepSinusoids(called, sizes.unet.model_channels) });
      return splitRows(rows!);
    },
    async predict(inputs) {
      const { eps } = await denoiser.run(inputs);
      return eps!;
    },
    decoder,
    async release() {
      for (const network of [time, denoiser, decoder]) await network.release();
    },
  };
}

/** How noise was added in training; "linear" of the published configuration is about roots. */
export function ldmSchedule({ schedule }: LdmSizes): NoiseSchedule {
  return createNoiseSchedule({
    trainSteps: schedule.timesteps,
    betaStart: schedule.linear_start,
    betaEnd: schedule.linear_end,
    betaSchedule: 'scaled_linear',
  });
}

/** The model that was built into `directory`. */
export async function loadLdm(directory: string, device: Device): Promise<LdmModels> {
  const path = (name: NetworkName) => join(directory, `${name}.onnx`);
  const models = { time: path('time'), denoiser: path('denoiser'), 'vq-decoder': path('vq-decoder') };
  return createLdm({ ...(await readLdmConfig(join(directory, CONFIG_FILE))), models, device });
}
