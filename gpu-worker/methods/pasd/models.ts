import { join } from 'node:path';
import { createDenoiser, type Denoiser } from '../../diffusion/denoiser.ts';
import { createTextEncoder, type TextEncoder } from '../../diffusion/text-encoder.ts';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import { DEVICES, type Device } from '../../runtime/devices.ts';
import { createTokenizer, type Tokenizer } from '../../tokenizer/clip-tokenizer.ts';
import { createVae, type Vae } from '../../vae/vae.ts';
import { type PasdConfig, readPasdConfig } from './config.ts';

/** All that the recipe of PASD calls. */
export interface PasdModels {
  textEncoder: TextEncoder;
  vae: Vae;
  denoiser: Denoiser;
  tokenizer: Tokenizer;
  /** How noise was added in training. */
  schedule: PasdConfig['schedule'];
  latentChannels: number;
  /** Latents are multiplied by it before noise is added, and divided before they are decoded. */
  scalingFactor: number;
  /** Gives the memory back. */
  release(): Promise<void>;
}

/** The model that was built into `directory`. Its networks are loaded at their first call. */
export async function loadPasd(directory: string, device: Device): Promise<PasdModels> {
  const path = (name: string) => join(directory, name);
  return await createPasd({
    config: await readPasdConfig(path(CONFIG_FILE)),
    model: (name) => path(`${name}.onnx`),
    tokenizer: { mergesPath: path('tokenizer/merges.txt'), vocabPath: path('tokenizer/vocab.json') },
    device,
  });
}

interface PasdParts {
  config: PasdConfig;
  /** Of the graph of that name: bytes, or a path. */
  model(name: string): Uint8Array | string;
  tokenizer: { mergesPath: string; vocabPath: string };
  device: Device;
}

export async function createPasd({ config, model, tokenizer, device }: PasdParts): Promise<PasdModels> {
  const { vae, flavor, timeChannels, schedule, padding } = config;
  const networks = {
    // A job calls it once.
    textEncoder: createTextEncoder({
      model: model('text-encoder'),
      device,
      stays: DEVICES[device].keepsAllNetworks,
    }),
    vae: createVae({
      config: vae,
      models: { encoder: model('vae-encoder'), decoder: model('vae-decoder') },
      flavor,
      device,
    }),
    denoiser: createDenoiser({
      models: { context: model('context'), time: model('time'), stem: model('stem'), denoiser: model('denoiser') },
      timeChannels,
      device,
    }),
  };
  return {
    ...networks,
    tokenizer: await createTokenizer({ ...tokenizer, padding }),
    schedule,
    latentChannels: vae.latent_channels,
    scalingFactor: vae.scaling_factor,
    async release() {
      for (const network of Object.values(networks)) await network.release();
    },
  };
}
