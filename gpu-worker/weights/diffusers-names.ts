import type { Checkpoint } from './checkpoint.ts';
import { renamed, reshaped } from './combine.ts';

/** Of old versions of diffusers and transformers to the names that graphs use. */

/** Old versions of transformers stored 0 .. 76. */
export function withoutPositions(name: string): string | undefined {
  return name.endsWith('.position_ids') ? undefined : name;
}

const OLD_VAE_NAMES: Record<string, string> = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' };

/** Before diffusers 0.16 the attention had names of its own, and its matrices were sometimes 1×1 convolutions. */
export function currentVae(vae: Checkpoint): Checkpoint {
  const attention = /^(.*\.attentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)$/;
  const current = renamed(vae, (name) =>
    name.replace(attention, (_match, block, old: string, kind) => `${block}.${OLD_VAE_NAMES[old]}.${kind}`),
  );
  return squareAttention(current);
}

/** Stable Diffusion 1 stores the projections around its transformers as convolutions of 1 × 1; the sums are those of matrices. */
export function squareAttention(checkpoint: Checkpoint): Checkpoint {
  return reshaped(checkpoint, (name, shape) =>
    /[._]attentions\./.test(name) && `${shape.slice(2)}` === '1,1' ? shape.slice(0, 2) : shape,
  );
}
