/// <reference lib="esnext.disposable" />

import { join } from 'node:path';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { overlaid, renamed } from '../../weights/combine.ts';
import { findComponent, findWeights } from '../../weights/component-files.ts';
import {
  type ControlNetConfig,
  RAM_SWIN_LARGE,
  readControlNetConfig,
  readSchedulerConfig,
  readTaggerConfig,
  readTextEncoderConfig,
  readUnetConfig,
  readVaeConfig,
  type SchedulerConfig,
  type TaggerConfig,
  type TextEncoderConfig,
  type UnetConfig,
  type VaeConfig,
} from '../../weights/diffusers-configs.ts';
import { currentVae, withoutPositions } from '../../weights/diffusers-names.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { withDenoiserLora } from './denoiser-lora.ts';
import { dapeTagger, ramTagger } from './tagger-checkpoint.ts';

interface SeesrSources {
  /** Folder with `unet` and `controlnet`. */
  seesr: string;
  /** Folder of Stable Diffusion 2 base. */
  sd?: string | undefined;
  /**
   * Folder of SD-Turbo: its UNet and scheduler take the place of the others, and so does any other part that it has.
   */
  sdTurbo?: string | undefined;
  /** `ram_swin_large_14m.pth`. */
  ram: string;
  /** `DAPE.pth`. Without it the tagger is plain RAM. */
  dape?: string | undefined;
  /** Sizes of a RAM that is not the published one. */
  ramConfig?: string | undefined;
  /** Updates of UNet and ControlNet, see `withDenoiserLora`. */
  denoiserLora?: string | undefined;
}

export interface SeesrCheckpoints extends AsyncDisposable {
  /** By network, under the names of the published files' newest versions. */
  unet: Checkpoint;
  controlNet: Checkpoint;
  textEncoder: Checkpoint;
  vae: Checkpoint;
  tagger: Checkpoint;
  configs: {
    unet: UnetConfig;
    controlNet: ControlNetConfig;
    textEncoder: TextEncoderConfig;
    vae: VaeConfig;
    scheduler: SchedulerConfig;
    tagger: TaggerConfig;
  };
  /** Paths of the files of these configurations that are in folders. */
  configPaths: { unet: string; controlNet: string };
  /** Paths. */
  tokenizer: { vocabulary: string; merges: string };
  /** Paths of all files that were opened. */
  sources: readonly string[];
}

/**
 * Opens everything that SeeSR is made of, from the folders as they are published. Throws AppError `engine-failed` for a
 * part that is missing, broken or not supported; whether the tensors fit the networks is for `checkShapes`.
 */
export async function openSeesrCheckpoints(sources: SeesrSources): Promise<SeesrCheckpoints> {
  const { seesr, sd, sdTurbo, ram, dape, ramConfig, denoiserLora } = sources;
  const pipelines = [sdTurbo, sd].filter((directory) => directory !== undefined);
  const folders = {
    unet: await findComponent([sdTurbo ?? seesr], 'unet'),
    controlNet: await findComponent([seesr], 'controlnet'),
    textEncoder: await findComponent(pipelines, 'text_encoder'),
    vae: await findComponent(pipelines, 'vae'),
    tokenizer: await findComponent(pipelines, 'tokenizer'),
    scheduler: await findComponent(pipelines, 'scheduler'),
  };
  const configPaths = {
    unet: join(folders.unet, 'config.json'),
    controlNet: join(folders.controlNet, 'config.json'),
    textEncoder: join(folders.textEncoder, 'config.json'),
    vae: join(folders.vae, 'config.json'),
    scheduler: join(folders.scheduler, 'scheduler_config.json'),
  };
  const configs = {
    unet: await readUnetConfig(configPaths.unet),
    controlNet: await readControlNetConfig(configPaths.controlNet),
    textEncoder: await readTextEncoderConfig(configPaths.textEncoder),
    vae: await readVaeConfig(configPaths.vae),
    scheduler: await readSchedulerConfig(configPaths.scheduler),
    tagger: ramConfig ? await readTaggerConfig(ramConfig) : RAM_SWIN_LARGE,
  };
  await using opened = new AsyncDisposableStack();
  const open = async (path: string) => opened.use(await openCheckpoint(path));
  const openFolder = async (directory: string) => await open(await findWeights(directory));

  const seesrUnet = await openFolder(await findComponent([seesr], 'unet'));
  const nets = {
    unet: sdTurbo ? overlaid(await openFolder(folders.unet), seesrUnet, isImageAttention) : seesrUnet,
    controlNet: await openFolder(folders.controlNet),
  };
  const checkpoints = {
    ...(denoiserLora ? withDenoiserLora(nets, await open(denoiserLora)) : nets),
    textEncoder: renamed(await openFolder(folders.textEncoder), withoutPositions),
    vae: currentVae(await openFolder(folders.vae)),
    tagger: await openTagger(open, { ram, dape, config: configs.tagger }),
  };
  const tokenizer = {
    vocabulary: join(folders.tokenizer, 'vocab.json'),
    merges: join(folders.tokenizer, 'merges.txt'),
  };
  const owned = opened.move();
  return {
    ...checkpoints,
    configs,
    configPaths,
    tokenizer,
    sources: [
      ...Object.values(configPaths),
      ...(ramConfig ? [ramConfig] : []),
      ...Object.values(tokenizer),
      ...new Set(Object.values(checkpoints).flatMap(({ files }) => files)),
    ],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openTagger(
  open: (path: string) => Promise<Checkpoint>,
  { ram, dape, config }: { ram: string; dape: string | undefined; config: TaggerConfig },
): Promise<Checkpoint> {
  const tagger = ramTagger(await open(ram));
  if (!dape) return tagger;
  return dapeTagger(tagger, await open(dape), { rank: config.lora_rank, alpha: config.lora_alpha });
}

/** SeeSR's own part of the UNet, its only one that fits SD-Turbo. */
function isImageAttention(name: string): boolean {
  return name.includes('image_attentions');
}
