import { z } from 'zod';
import { readConfig } from '../../weights/read-config.ts';
import { count, flavorSchema } from '../config-schemas.ts';

const configSchema = z.object({
  flavor: flavorSchema,
  version: z.enum(['v1', 'v2', 'v2.1']).default('v1'),
  /** Width of the time embedding. */
  timeChannels: count,
  /** Of versions that have one. */
  swinir: z
    .object({
      channels: count,
      hidden: count,
      features: count,
      window: count,
      groups: z.array(z.object({ blocks: count, heads: count })).readonly(),
    })
    .optional(),
  vae: z.object({
    block_out_channels: z.array(count).readonly(),
    layers_per_block: count,
    norm_num_groups: count,
    latent_channels: count,
  }),
});

/** `config.json` of a built model: the facts that a caller of its networks needs. */
export type DiffbirConfig = z.infer<typeof configSchema>;

/** Throws AppError `engine-failed`. */
export function readDiffbirConfig(path: string): Promise<DiffbirConfig> {
  return readConfig(path, configSchema);
}
