/// <reference lib="esnext.disposable" />

import { AppError } from '../../../shared/error.ts';
import type { Graph, GraphOptions } from '../../graphs/onnx.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { overlaid, renamed, splitAxis, within } from '../../weights/combine.ts';
import { compvisAutoencoder, compvisUnet, isScheduleTable, openClipText } from '../../weights/compvis.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { unwrapped } from '../../weights/unwrap.ts';
import { type DiffbirSizes, readSizes } from './sizes.ts';
import { swinirGraph } from './swinir-graph.ts';
import type { Version } from './versions.ts';

/** Paths of the published files of the first version. */
export interface DiffbirSources {
  /** `general_full_v1.ckpt`. */
  full: string;
  /** `general_swinir_v1.ckpt`: the first stage, in the place of the one in `full`. */
  swinir: string;
  /** Of other sizes than the published ones. */
  config?: string | undefined;
}

/** Each network under the names of its graphs. Disposing it closes the files. */
export interface DiffbirCheckpoints extends AsyncDisposable {
  version: Version;
  sizes: DiffbirSizes;
  /** The graph has the name that the version knows. */
  firstStage: { checkpoint: Checkpoint; graph(options?: GraphOptions): Graph };
  /** Its encoder is the one of conditions. */
  vae: Checkpoint;
  text: Checkpoint;
  unet: Checkpoint;
  controlNet: Checkpoint;
}

export const PARTS = {
  unet: 'model.diffusion_model.',
  controlNet: 'control_model.',
  text: 'cond_stage_model.model.',
  autoencoder: 'first_stage_model.',
  conditionEncoder: 'cond_encoder.',
};

/** The first stage that is replaced, and the encoder that conditions do not go through. */
const UNUSED = /^(preprocess_model|first_stage_model\.(encoder|quant_conv))\./;
/** Constants of the architecture. */
const CONSTANT = /\.(attn_mask|relative_position_index)$/;

/** Throws AppError `engine-failed` for files of anything else; whether the tensors fit is for `shareOut`. */
export async function openDiffbir({ full, swinir, config }: DiffbirSources): Promise<DiffbirCheckpoints> {
  const sizes = await readSizes(config);
  await using opened = new AsyncDisposableStack();
  const files = {
    full: opened.use(unwrapped(await openCheckpoint(full))),
    swinir: opened.use(unwrapped(await openCheckpoint(swinir))),
  };
  const parts = diffbirParts(files, sizes);
  const owned = opened.move();
  return { ...parts, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The networks in both files. Throws AppError `engine-failed` where the first holds anything else. */
export function diffbirParts(
  { full, swinir }: Record<'full' | 'swinir', Checkpoint>,
  sizes: DiffbirSizes,
): Omit<DiffbirCheckpoints, keyof AsyncDisposable> {
  checkParts(full);
  const levels = sizes.vae.block_out_channels.length;
  const autoencoder = (prefix: string) => compvisAutoencoder(within(full, prefix), levels);
  const isDecoder = (name: string) => /^(decoder|post_quant_conv)\./.test(name);
  return {
    version: 'v1',
    sizes,
    firstStage: swinirStage(swinir, sizes),
    vae: overlaid(autoencoder(PARTS.conditionEncoder), autoencoder(PARTS.autoencoder), isDecoder),
    text: openClipText(within(full, PARTS.text), sizes.text.num_hidden_layers),
    unet: compvisUnet(within(full, PARTS.unet), sizes.unet.layers_per_block),
    controlNet: hintApart(compvisUnet(within(full, PARTS.controlNet), sizes.unet.layers_per_block)),
  };
}

/** SwinIR, which is the same network in all versions that have it. */
export function swinirStage(checkpoint: Checkpoint, { swinir }: DiffbirSizes): DiffbirCheckpoints['firstStage'] {
  return {
    checkpoint: renamed(checkpoint, (name) => (CONSTANT.test(name) ? undefined : name)),
    graph: (options) => swinirGraph(swinir, options),
  };
}

/**
 * ControlNet's first convolution looks at latent and hint side by side: the sum of two, of which that of the hint stays the
 * same for all steps.
 */
export function hintApart(controlNet: Checkpoint): Checkpoint {
  return splitAxis(controlNet, (name) =>
    name === 'conv_in.weight' ? { names: [name, 'stem.weight'], axis: 1 } : undefined,
  );
}

function checkParts({ tensors, files }: Checkpoint): void {
  const strangers = [...tensors.keys()].filter((name) => {
    const isUnused = UNUSED.test(name) || isScheduleTable(name);
    return !isUnused && !Object.values(PARTS).some((prefix) => name.startsWith(prefix));
  });
  if (strangers.length === 0) return;
  throw new AppError(
    'engine-failed',
    `${files.join(', ')} is no DiffBIR: it has ${strangers.slice(0, 10).join(', ')}.`,
  );
}
