import { join } from 'node:path';
import { createDenoiser, type Denoiser } from '../../diffusion/denoiser.ts';
import { createTextEncoder, type TextEncoder } from '../../diffusion/text-encoder.ts';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import type { Device } from '../../runtime/devices.ts';
import { createTokenizer, type Tokenizer } from '../../tokenizer/clip-tokenizer.ts';
import { createVae, type Vae } from '../../vae/vae.ts';
import { createBsrnet } from './bsrnet.ts';
import { type DiffbirConfig, readDiffbirConfig } from './config.ts';
import type { FirstStage } from './first-stage.ts';
import { createSwinir } from './swinir.ts';
import { VERSIONS, type VersionFacts } from './versions.ts';

/** All that the recipe of DiffBIR calls. */
export interface DiffbirModels {
  version: VersionFacts;
  firstStage: FirstStage;
  /** Its encoder is the one of conditions. */
  vae: Vae;
  textEncoder: TextEncoder;
  denoiser: Denoiser;
  /** Of versions that words steer. */
  tokenizer?: Tokenizer;
  latentChannels: number;
  /** Gives the memory back. */
  release(): Promise<void>;
}

/** Latents are multiplied by it before noise is added, and divided before they are decoded. */
export const SCALING_FACTOR = 0.18215;

/** Ids of the empty text, all that the published script ever gives: start, end, and zeros up to 77. */
export const EMPTY_TEXT: readonly number[] = [49_406, 49_407, ...Array<number>(75).fill(0)];

/** The model that was built into `directory`. Its networks are loaded at their first call. */
export async function loadDiffbir(directory: string, device: Device): Promise<DiffbirModels> {
  const path = (name: string) => join(directory, `${name}.onnx`);
  const config = await readDiffbirConfig(join(directory, CONFIG_FILE));
  const { version, flavor, timeChannels, vae } = config;
  const networks = {
    firstStage: firstStageOf(config, path, device),
    vae: createVae({
      config: vae,
      models: { encoder: path('vae-encoder'), decoder: path('vae-decoder') },
      flavor,
      device,
    }),
    // Asked for once a photo.
    textEncoder: createTextEncoder({ model: path('text-encoder'), device, stays: false }),
    denoiser: createDenoiser({
      models: { context: path('context'), time: path('time'), stem: path('stem'), denoiser: path('denoiser') },
      timeChannels,
      device,
    }),
  };
  const tokenizer = {
    mergesPath: join(directory, 'tokenizer/merges.txt'),
    vocabPath: join(directory, 'tokenizer/vocab.json'),
  };
  return {
    ...networks,
    version: VERSIONS[version],
    ...(version !== 'v1' && { tokenizer: await createTokenizer({ ...tokenizer, as: 'open_clip' }) }),
    latentChannels: vae.latent_channels,
    async release() {
      for (const network of Object.values(networks)) await network.release();
    },
  };
}

/** `path`: of the model of a network. */
function firstStageOf({ swinir, flavor }: DiffbirConfig, path: (name: string) => string, device: Device): FirstStage {
  if (swinir) return createSwinir({ sizes: swinir, model: path('swinir'), flavor, device });
  return createBsrnet(path('bsrnet'), device);
}
