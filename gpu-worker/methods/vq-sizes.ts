import { z } from 'zod';
import type { VaeConfig } from '../vae/vae-steps.ts';
import { count } from './config-schemas.ts';

/** Of an autoencoder with a codebook, in the words of the published configurations (github.com/CompVis/latent-diffusion). */
export const vqSizesSchema = z.object({
  z_channels: count,
  /** Entries of the codebook. */
  n_embed: count,
  ch: count,
  /** Channels of every level over those of the first. */
  ch_mult: z.array(count).min(1),
  num_res_blocks: count,
  norm_groups: count,
});
export type VqSizes = z.infer<typeof vqSizesSchema>;

/** Four pixels a latent; LDM-SR and ResShift have the same. */
export const VQ_F4_SIZES: VqSizes = {
  z_channels: 3,
  n_embed: 8192,
  ch: 128,
  ch_mult: [1, 2, 4],
  num_res_blocks: 2,
  norm_groups: 32,
};

/** The same in the words of diffusers, which the library has. */
export function vqConfig(sizes: VqSizes): VaeConfig & { codes: number } {
  return {
    block_out_channels: sizes.ch_mult.map((factor) => factor * sizes.ch),
    layers_per_block: sizes.num_res_blocks,
    norm_num_groups: sizes.norm_groups,
    latent_channels: sizes.z_channels,
    codes: sizes.n_embed,
  };
}
