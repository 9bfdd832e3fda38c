/// <reference lib="esnext.disposable" />

import { join } from 'node:path';
import type { LicensedFile } from '../../model-store/licenses.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { renamed } from '../../weights/combine.ts';
import { findComponent, findWeights } from '../../weights/component-files.ts';
import {
  readControlNetConfigOfSd1,
  readPaddingToken,
  readSchedulerConfig,
  readTextEncoderConfig,
  readUnetConfigOfSd1,
  readVaeConfig,
} from '../../weights/diffusers-configs.ts';
import { currentVae, squareAttention, withoutPositions } from '../../weights/diffusers-names.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';

interface PasdSources {
  /** Folder with `unet` and `controlnet`. */
  pasd: string;
  /** Folder of Stable Diffusion 1.5. */
  sd: string;
}

type Networks = Record<'unet' | 'controlNet' | 'textEncoder' | 'vae', Checkpoint>;

export type PasdCheckpoints = Awaited<ReturnType<typeof openPasdCheckpoints>>;

const PASD = 'Apache-2.0 (PASD, github.com/yangxy/PASD)';
const STABLE_DIFFUSION = 'CreativeML OpenRAIL-M (Stable Diffusion 1.5): it restricts some uses';
const CLIP = 'MIT (vocabulary of CLIP, OpenAI)';

/**
 * Opens everything that PASD is made of, from the folders as they are published; its networks under the names of their
 * newest versions. Throws AppError `engine-failed` for a part that is missing, broken or not supported; whether the
 * tensors fit the networks is for `checkShapes`.
 */
export async function openPasdCheckpoints({ pasd, sd }: PasdSources) {
  const folders = {
    unet: await findComponent([pasd], 'unet'),
    controlNet: await findComponent([pasd], 'controlnet'),
    textEncoder: await findComponent([sd], 'text_encoder'),
    vae: await findComponent([sd], 'vae'),
    scheduler: await findComponent([sd], 'scheduler'),
    tokenizer: await findComponent([sd], 'tokenizer'),
  };
  const paths = {
    unet: join(folders.unet, 'config.json'),
    controlNet: join(folders.controlNet, 'config.json'),
    textEncoder: join(folders.textEncoder, 'config.json'),
    vae: join(folders.vae, 'config.json'),
    scheduler: join(folders.scheduler, 'scheduler_config.json'),
  };
  const tokenizer = {
    vocabulary: join(folders.tokenizer, 'vocab.json'),
    merges: join(folders.tokenizer, 'merges.txt'),
    specialTokens: join(folders.tokenizer, 'special_tokens_map.json'),
  };
  const configs = {
    unet: await readUnetConfigOfSd1(paths.unet),
    controlNet: await readControlNetConfigOfSd1(paths.controlNet),
    textEncoder: await readTextEncoderConfig(paths.textEncoder),
    vae: await readVaeConfig(paths.vae),
    scheduler: await readSchedulerConfig(paths.scheduler),
    padding: await readPaddingToken(tokenizer.specialTokens),
  };
  await using opened = new AsyncDisposableStack();
  const open = async (directory: string) => opened.use(await openCheckpoint(await findWeights(directory)));
  const checkpoints = withGraphNames({
    unet: await open(folders.unet),
    controlNet: await open(folders.controlNet),
    textEncoder: await open(folders.textEncoder),
    vae: await open(folders.vae),
  });
  const { unet, controlNet, textEncoder, vae } = checkpoints;
  const owned = opened.move();
  return {
    ...checkpoints,
    configs,
    tokenizer,
    sources: [
      ...licensed(PASD, [paths.unet, paths.controlNet, ...unet.files, ...controlNet.files]),
      ...licensed(STABLE_DIFFUSION, [
        paths.textEncoder,
        paths.vae,
        paths.scheduler,
        ...textEncoder.files,
        ...vae.files,
      ]),
      ...licensed(CLIP, Object.values(tokenizer)),
    ],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The tensors that graphs use, under the names and in the shapes that they have there; of each published file. */
export function withGraphNames({ unet, controlNet, textEncoder, vae }: Networks): Networks {
  return {
    unet: squareAttention(unet),
    controlNet: squareAttention(renamed(controlNet, withoutColors)),
    textEncoder: renamed(textEncoder, withoutPositions),
    vae: currentVae(vae),
  };
}

/** Small pictures that the training compared: nothing looks at them. */
function withoutColors(name: string): string | undefined {
  return name.startsWith('controlnet_cond_embedding.to_rgbs.') ? undefined : name;
}

function licensed(license: string, paths: readonly string[]): LicensedFile[] {
  return paths.map((path) => ({ path, license }));
}
