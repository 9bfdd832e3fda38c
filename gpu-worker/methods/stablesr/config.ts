import { z } from 'zod';
import { readConfig } from '../../weights/read-config.ts';
import { count, flavorSchema } from '../config-schemas.ts';

const counts = z.array(count).min(3).max(8);
const unetFields = {
  in_channels: count,
  out_channels: count,
  model_channels: count,
  channel_mult: counts,
  num_res_blocks: count,
  /** How many times smaller the map is, where there is attention. */
  attention_resolutions: z.array(count),
  norm_groups: count,
};

/** Under the names of the original yaml files, and of constants in the original code. */
const sizesSchema = z.object({
  scale_factor: z.number().positive(),
  parameterization: z.enum(['eps', 'v']),
  schedule: z.object({ linear_start: z.number(), linear_end: z.number(), timesteps: count }),
  unet: z.object({ ...unetFields, num_head_channels: count, context_dim: count, semb_channels: count }),
  structcond: z.object({ ...unetFields, num_heads: count }),
  spade: z.object({ hidden: count }),
  autoencoder: z.object({ ch: count, ch_mult: counts, num_res_blocks: count, z_channels: count, norm_groups: count }),
  cfw: z.object({ num_fuse_block: count, num_grow_ch: count }),
  text: z.object({
    width: count,
    heads: count,
    /** That the file has, and of those the first that count. */
    layers: count,
    used_layers: count,
    vocab_size: count,
    context_length: count,
  }),
});
export type StablesrSizes = z.infer<typeof sizesSchema>;

const configSchema = z.object({ flavor: flavorSchema, sizes: sizesSchema });
export type StablesrConfig = z.infer<typeof configSchema>;

/** `stablesr_000117.ckpt` and `vqgan_cfw_00011.ckpt`; that of SD-Turbo has the same. */
export const PUBLISHED_SIZES: StablesrSizes = {
  scale_factor: 0.18215,
  parameterization: 'eps',
  schedule: { linear_start: 0.00085, linear_end: 0.012, timesteps: 1000 },
  unet: {
    in_channels: 4,
    out_channels: 4,
    model_channels: 320,
    channel_mult: [1, 2, 4, 4],
    num_res_blocks: 2,
    attention_resolutions: [4, 2, 1],
    norm_groups: 32,
    num_head_channels: 64,
    context_dim: 1024,
    semb_channels: 256,
  },
  structcond: {
    in_channels: 4,
    out_channels: 256,
    model_channels: 256,
    channel_mult: [1, 1, 2, 2],
    num_res_blocks: 2,
    attention_resolutions: [4, 2, 1],
    norm_groups: 32,
    num_heads: 4,
  },
  spade: { hidden: 128 },
  autoencoder: { ch: 128, ch_mult: [1, 2, 4, 4], num_res_blocks: 2, z_channels: 4, norm_groups: 32 },
  cfw: { num_fuse_block: 2, num_grow_ch: 32 },
  text: { width: 1024, heads: 16, layers: 24, used_layers: 23, vocab_size: 49408, context_length: 77 },
};

/** Of networks other than the published ones, from a file. Throws AppError `engine-failed`. */
export async function readSizes(path: string | undefined): Promise<StablesrSizes> {
  return path === undefined ? PUBLISHED_SIZES : await readConfig(path, sizesSchema);
}

/** Throws AppError `engine-failed`. */
export function readStablesrConfig(path: string): Promise<StablesrConfig> {
  return readConfig(path, configSchema);
}
