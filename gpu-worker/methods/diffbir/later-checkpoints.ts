/// <reference lib="esnext.disposable" />

import { join } from 'node:path';
import { AppError } from '../../../shared/error.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { renamed, within } from '../../weights/combine.ts';
import { compvisAutoencoder, compvisUnet, isScheduleTable, openClipText } from '../../weights/compvis.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { unwrapped } from '../../weights/unwrap.ts';
import { openNetworkFile } from '../network-file.ts';
import { COLORS_TIMES_FOUR, checkFacts } from '../one-pass-engine.ts';
import { type DiffbirCheckpoints, hintApart, PARTS, swinirStage } from './checkpoints.ts';
import { type DiffbirSizes, readSizes } from './sizes.ts';
import { type LaterVersion, VERSIONS } from './versions.ts';

/** Paths of the published files of a later version. */
export interface LaterSources {
  /** ControlNet. */
  control: string;
  firstStage: string;
  /** All of Stable Diffusion; that in the full file of the first version is the one of version 2. */
  stableDiffusion: string;
  /** Folder with `vocab.json` and `merges.txt`. */
  tokenizer: string;
  /** Of other sizes than the published ones. */
  config?: string | undefined;
}

/** Of the first version, beside Stable Diffusion. */
const OF_FIRST = /^(preprocess_model|control_model|cond_encoder)\./;
/** Of the training of Stable Diffusion, and of a text tower that came from another library. */
const OF_TRAINING = /^model_ema\.(decay|num_updates)$|\.position_ids$/;

/** Throws AppError `engine-failed` for files of anything else; whether the tensors fit is for `shareOut`. */
export async function openLaterDiffbir(
  version: LaterVersion,
  { control, firstStage, stableDiffusion, config }: LaterSources,
): Promise<DiffbirCheckpoints> {
  const sizes = await readSizes(config);
  await using opened = new AsyncDisposableStack();
  const first = await openFirstStage(version, firstStage, sizes);
  opened.use(first.file);
  const files = {
    control: opened.use(unwrapped(await openCheckpoint(control))),
    stableDiffusion: opened.use(unwrapped(await openCheckpoint(stableDiffusion))),
  };
  const parts = laterParts(files, sizes);
  const owned = opened.move();
  return { version, sizes, ...parts, firstStage: first.stage, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The networks behind the first stage. Throws AppError `engine-failed` for a file with anything else. */
export function laterParts(
  { control, stableDiffusion }: Record<'control' | 'stableDiffusion', Checkpoint>,
  sizes: DiffbirSizes,
): Pick<DiffbirCheckpoints, 'vae' | 'text' | 'unet' | 'controlNet'> {
  const checked = checkParts(stableDiffusion);
  return {
    vae: compvisAutoencoder(within(checked, PARTS.autoencoder), sizes.vae.block_out_channels.length),
    text: openClipText(within(checked, PARTS.text), sizes.text.num_hidden_layers),
    unet: compvisUnet(within(checked, PARTS.unet), sizes.unet.layers_per_block),
    controlNet: hintApart(compvisUnet(control, sizes.unet.layers_per_block)),
  };
}

interface OpenedStage {
  file: AsyncDisposable;
  stage: DiffbirCheckpoints['firstStage'];
}

async function openFirstStage(version: LaterVersion, path: string, sizes: DiffbirSizes): Promise<OpenedStage> {
  if (VERSIONS[version].firstStage === 'swinir') {
    const file = unwrapped(await openCheckpoint(path));
    return { file, stage: swinirStage(file, sizes) };
  }
  const file = await openNetworkFile(path);
  try {
    checkFacts(file.facts, { ...COLORS_TIMES_FOUR, family: 'esrgan', isPlus: false }, `${path} is not BSRNet.pth`);
    return { file, stage: { checkpoint: file.checkpoint, graph: file.graph } };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** Without what is known to be beside the networks. */
function checkParts(checkpoint: Checkpoint): Checkpoint {
  const isBeside = (name: string) => OF_FIRST.test(name) || OF_TRAINING.test(name) || isScheduleTable(name);
  const known = [PARTS.unet, PARTS.autoencoder, PARTS.text];
  const strangers = [...checkpoint.tensors.keys()].filter((name) => {
    return !isBeside(name) && !known.some((prefix) => name.startsWith(prefix));
  });
  if (strangers.length > 0) {
    const some = strangers.slice(0, 10).join(', ');
    throw new AppError('engine-failed', `${checkpoint.files.join(', ')} is no Stable Diffusion 2: it has ${some}.`);
  }
  return renamed(checkpoint, (name) => (isBeside(name) ? undefined : name));
}

export function tokenizerFiles(directory: string): { vocabulary: string; merges: string } {
  return { vocabulary: join(directory, 'vocab.json'), merges: join(directory, 'merges.txt') };
}
