import { z } from 'zod';
import { readConfig } from '../../weights/read-config.ts';
import { count, flavorSchema } from '../config-schemas.ts';
import { VQ_F4_SIZES, vqSizesSchema } from '../vq-sizes.ts';

/** Of the networks, in the words of the published configuration. */
const sizesSchema = z.object({
  unet: z.object({
    in_channels: count,
    out_channels: count,
    model_channels: count,
    /** Channels of every level over those of the first. */
    channel_mult: z.array(count).min(1),
    num_res_blocks: count,
    /** Factors of downsampling whose level has attention. */
    attention_resolutions: z.array(count),
    num_head_channels: count,
    norm_groups: count,
    norm_eps: z.number().positive(),
  }),
  vq: vqSizesSchema,
  schedule: z.object({ timesteps: count, linear_start: z.number(), linear_end: z.number() }),
});
export type LdmSizes = z.infer<typeof sizesSchema>;

/** Of the published model (models/ldm/bsr_sr/config.yaml of github.com/CompVis/latent-diffusion). */
export const PUBLISHED_SIZES: LdmSizes = {
  unet: {
    in_channels: 6,
    out_channels: 3,
    model_channels: 160,
    channel_mult: [1, 2, 2, 4],
    num_res_blocks: 2,
    attention_resolutions: [16, 8],
    num_head_channels: 32,
    norm_groups: 32,
    norm_eps: 1e-5,
  },
  vq: VQ_F4_SIZES,
  schedule: { timesteps: 1000, linear_start: 0.0015, linear_end: 0.0155 },
};

const configSchema = z.object({ sizes: sizesSchema, flavor: flavorSchema });
export type LdmConfig = z.infer<typeof configSchema>;

/** Of a file, or the published ones. Throws AppError `engine-failed`. */
export async function readLdmSizes(path: string | undefined): Promise<LdmSizes> {
  return path === undefined ? PUBLISHED_SIZES : await readConfig(path, sizesSchema);
}

/** Throws AppError `engine-failed`. */
export function readLdmConfig(path: string): Promise<LdmConfig> {
  return readConfig(path, configSchema);
}
