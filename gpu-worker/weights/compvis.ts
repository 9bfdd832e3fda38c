import type { Checkpoint } from './checkpoint.ts';
import { renamed, reshaped, splitAxis } from './combine.ts';
import { autoencoderName, openClipName, unetName } from './compvis-names.ts';

/** Networks of latent diffusion under the names of the graphs; each `checkpoint` holds one, its names without a prefix. */

/** A UNet or ControlNet of `layersPerBlock` residual blocks at a resolution. */
export function compvisUnet(checkpoint: Checkpoint, layersPerBlock: number): Checkpoint {
  return renamed(checkpoint, unetName(layersPerBlock));
}

/** An autoencoder of so many resolutions. */
export function compvisAutoencoder(checkpoint: Checkpoint, levels: number): Checkpoint {
  return reshaped(renamed(checkpoint, autoencoderName(levels)), (name, shape) =>
    /\.attentions\.0\.to_/.test(name) && shape.length === 4 ? shape.slice(0, 2) : shape,
  );
}

/**
 * The text tower of OpenCLIP up to its last block but one, of which there are `layers`, and its last norm: Stable Diffusion
 * 2 was trained on that. Left out are the last block and what makes one vector of a text.
 */
export function openClipText(checkpoint: Checkpoint, layers: number): Checkpoint {
  const unused = ['text_projection', 'logit_scale'];
  const used = renamed(checkpoint, (name) =>
    unused.includes(name) || name.startsWith(`transformer.resblocks.${layers}.`) ? undefined : openClipName(name),
  );
  return splitAxis(used, (name) => {
    const [, block, kind] = /^(.*\.self_attn)\.in_proj\.(weight|bias)$/.exec(name) ?? [];
    return block === undefined
      ? undefined
      : { names: ['q', 'k', 'v'].map((part) => `${block}.${part}_proj.${kind}`), axis: 0 };
  });
}

const SCHEDULE_TABLE =
  /^(betas|logvar|(sqrt_|log_)?(one_minus_|recip_|recipm1_)?alphas_cumprod(_prev)?|posterior_(variance|log_variance_clipped|mean_coef[12]))$/;

/** Whether it is a table of the noise schedule: these follow from few numbers, and casts to half precision have rounded them. */
export function isScheduleTable(name: string): boolean {
  return SCHEDULE_TABLE.test(name);
}
