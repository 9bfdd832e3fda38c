/// <reference lib="esnext.disposable" />

import { AppError } from '../../../shared/error.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { renamed, reshaped, within } from '../../weights/combine.ts';
import { compvisAutoencoder, compvisUnet, openClipText } from '../../weights/compvis.ts';
import { openCheckpoint } from '../../weights/open-checkpoint.ts';
import { unwrapped } from '../../weights/unwrap.ts';
import { readSizes, type StablesrSizes } from './config.ts';

export interface StablesrSources {
  /** `stablesr_000117.ckpt`: everything but the wrapped autoencoder. */
  model: string;
  /** `vqgan_cfw_00011.ckpt`. */
  wrapped: string;
  /** Of sizes, where they are not the published ones; see `readSizes`. */
  sizes?: string | undefined;
}

/** The networks in the two files, under the names of the graphs. */
interface NamedNetworks {
  unet: Checkpoint;
  timeAware: Checkpoint;
  textEncoder: Checkpoint;
  /** Of the first file, without its decoder: pictures are decoded by the second. */
  vaeEncoder: Checkpoint;
  wrapped: Checkpoint;
}

/** Disposing closes the files. */
export interface StablesrCheckpoints extends NamedNetworks, AsyncDisposable {
  sizes: StablesrSizes;
}

/** Where the first file has its networks. */
const PREFIXES = {
  unet: 'model.diffusion_model.',
  timeAware: 'structcond_stage_model.',
  textEncoder: 'cond_stage_model.model.',
  vae: 'first_stage_model.',
};
/** Beside them: tables of the schedule, which follow from its ends, and averages that the published script does not read. */
const BESIDE =
  /^(betas|(sqrt_|sqrt_one_minus_|log_one_minus_|sqrt_recip_|sqrt_recipm1_)?alphas_cumprod(_prev)?|posterior_\w+)$|^model_ema\./;
/** Of training alone. */
const LOSSES = /^loss\./;

/** Throws AppError `engine-failed` for files that are missing, broken or others; shapes are for `shareOut`. */
export async function openStablesr({ model, wrapped, sizes: path }: StablesrSources): Promise<StablesrCheckpoints> {
  const sizes = await readSizes(path);
  await using opened = new AsyncDisposableStack();
  const open = async (file: string) => unwrapped(opened.use(await openCheckpoint(file)), 'state_dict');
  const named = publishedNames(await open(model), await open(wrapped), sizes);
  const owned = opened.move();
  return { sizes, ...named, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Throws AppError `engine-failed` for a `first` with tensors that no part of StableSR has. */
export function publishedNames(first: Checkpoint, second: Checkpoint, sizes: StablesrSizes): NamedNetworks {
  refuseOthers(first);
  const levels = sizes.autoencoder.ch_mult.length;
  return {
    unet: compvisUnet(within(first, PREFIXES.unet), sizes.unet.num_res_blocks),
    timeAware: timeAwareNames(within(first, PREFIXES.timeAware), sizes.structcond.num_res_blocks),
    textEncoder: openClipText(within(first, PREFIXES.textEncoder), sizes.text.used_layers),
    vaeEncoder: renamed(compvisAutoencoder(within(first, PREFIXES.vae), levels), (name) =>
      /^(decoder|post_quant_conv)\./.test(name) ? undefined : name,
    ),
    wrapped: wrappedNames(compvisAutoencoder(second, levels)),
  };
}

/** Each tensor belongs to a network, or is known to be of no use. */
function refuseOthers({ tensors, files }: Checkpoint): void {
  const prefixes = Object.values(PREFIXES);
  const others = [...tensors.keys()].filter(
    (name) => !BESIDE.test(name) && !prefixes.some((prefix) => name.startsWith(prefix)),
  );
  if (others.length === 0) return;
  const listed = others.slice(0, 10).join(', ');
  const more = others.length > 10 ? `, and ${others.length - 10} more` : '';
  throw new AppError(
    'engine-failed',
    `${files.join(', ')} is no StableSR: it has tensors of no part of it: ${listed}${more}.`,
  );
}

/** Half of a UNet, its transforms residual blocks as well; its attention has convolutions of one dimension and width 1. */
function timeAwareNames(checkpoint: Checkpoint, layersPerBlock: number): Checkpoint {
  const named = renamed(checkpoint, (name) => name.replace(/^fea_tran\.(\d+)\./, 'fea_tran.resnets.$1.'));
  return reshaped(compvisUnet(named, layersPerBlock), (name, shape) =>
    /\.attentions\.\d+\.(qkv|proj_out)\.weight$/.test(name) ? shape.slice(0, 2) : shape,
  );
}

function wrappedNames(checkpoint: Checkpoint): Checkpoint {
  return renamed(checkpoint, (name) => {
    if (LOSSES.test(name)) return undefined;
    return name.replace(/^(decoder\.fusion_layer_\d+\.encode_enc_\d+)\.conv_out\./, '$1.conv_shortcut.');
  });
}
