import { join } from 'node:path';
import { createDenoiser, type Denoiser } from '../../diffusion/denoiser.ts';
import { createTextEncoder, type TextEncoder } from '../../diffusion/text-encoder.ts';
import { CONFIG_FILE } from '../../model-store/plan-networks.ts';
import { DEVICES, type Device } from '../../runtime/devices.ts';
import { createTokenizer, type Tokenizer } from '../../tokenizer/clip-tokenizer.ts';
import { createVae, type Vae } from '../../vae/vae.ts';
import { readSeesrConfig, type SeesrConfig } from './config.ts';
import { createTagger, type Tagger } from './tagger.ts';

/** All that the recipe of SeeSR calls. */
export interface SeesrModels {
  tagger: Tagger;
  textEncoder: TextEncoder;
  vae: Vae;
  denoiser: Denoiser;
  tokenizer: Tokenizer;
  /** Side of the square picture that the tagger looks at. */
  taggerImageSize: number;
  /** The words that the tagger knows, in the order of its logits. */
  tags: SeesrConfig['tags'];
  /** How noise was added in training, and which timesteps the published script calls. */
  schedule: SeesrConfig['schedule'];
  latentChannels: number;
  /** Latents are multiplied by it before noise is added, and divided before they are decoded. */
  scalingFactor: number;
  /** Gives the memory back. */
  release(): Promise<void>;
}

/**
 * With less than this for the process to take, tagger and text encoder, which a job calls once, leave the memory of a
 * CPU for the steps: 2.2 of 9 GB of weights, and loading them again takes less time than one step.
 */
const AMPLE_MEMORY_BYTES = 16 * 2 ** 30;

/** The model that was built into `directory`. Its networks are loaded at their first call. */
export async function loadSeesr(directory: string, device: Device): Promise<SeesrModels> {
  const path = (name: string) => join(directory, name);
  const config = await readSeesrConfig(path(CONFIG_FILE));
  const { vae, flavor, timeChannels, tags, schedule, taggerImageSize } = config;
  const stays = DEVICES[device].keepsAllNetworks || process.availableMemory() >= AMPLE_MEMORY_BYTES;
  const networks = {
    tagger: createTagger({ model: path('tagger.onnx'), device, stays }),
    textEncoder: createTextEncoder({ model: path('text-encoder.onnx'), device, stays }),
    vae: createVae({
      config: vae,
      models: { encoder: path('vae-encoder.onnx'), decoder: path('vae-decoder.onnx') },
      flavor,
      device,
    }),
    denoiser: createDenoiser({
      models: {
        context: path('context.onnx'),
        time: path('time.onnx'),
        stem: path('stem.onnx'),
        denoiser: path('denoiser.onnx'),
      },
      timeChannels,
      device,
    }),
  };
  return {
    ...networks,
    tokenizer: await createTokenizer({
      mergesPath: path('tokenizer/merges.txt'),
      vocabPath: path('tokenizer/vocab.json'),
    }),
    taggerImageSize,
    tags,
    schedule,
    latentChannels: vae.latent_channels,
    scalingFactor: vae.scaling_factor,
    async release() {
      for (const network of Object.values(networks)) await network.release();
    },
  };
}
