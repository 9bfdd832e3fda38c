import { z } from 'zod';
import { RESSHIFT_STEPS, type ResshiftId } from '../../../shared/methods/resshift.ts';
import type { ShiftConfig } from '../../schedulers/residual-shifting.ts';
import { readConfig } from '../../weights/read-config.ts';
import { count, flavorSchema } from '../config-schemas.ts';
import { VQ_F4_SIZES, vqSizesSchema } from '../vq-sizes.ts';

/** Under the names of the published configuration. */
const unetSchema = z.object({
  in_channels: count,
  out_channels: count,
  /** Sides of the latent that it was trained on; by it levels are told that have Swin layers, and those that shift. */
  image_size: count,
  /** Photos are continued to multiples of it. */
  lq_size: count,
  model_channels: count,
  /** Sides of the levels that have Swin layers. */
  attention_resolutions: z.array(count),
  channel_mult: z.array(count).min(1),
  /** By level. */
  num_res_blocks: z.array(count),
  /** Channels of a head. */
  num_head_channels: count,
  swin_depth: count,
  swin_embed_dim: count,
  window_size: count,
  mlp_ratio: count,
  norm_groups: count,
  norm_eps: z.number(),
});
export type UnetSizes = z.infer<typeof unetSchema>;

const sizesSchema = z.object({ unet: unetSchema, vq: vqSizesSchema });
export type ResshiftSizes = z.infer<typeof sizesSchema>;

export const PUBLISHED_SIZES: ResshiftSizes = {
  unet: {
    in_channels: 6,
    out_channels: 3,
    image_size: 64,
    lq_size: 64,
    model_channels: 160,
    attention_resolutions: [64, 32, 16, 8],
    channel_mult: [1, 2, 2, 4],
    num_res_blocks: [2, 2, 2, 2],
    num_head_channels: 32,
    swin_depth: 2,
    swin_embed_dim: 192,
    window_size: 8,
    mlp_ratio: 4,
    norm_groups: 32,
    norm_eps: 1e-5,
  },
  vq: VQ_F4_SIZES,
};

/** `realsr_swinunet_realesrgan256.yaml` (v1, v2) and `realsr_swinunet_realesrgan256_journal.yaml` (v3). */
const SHIFTS = { leastNoise: { resshift: 0.04, 'resshift-fast': 0.2 }, mostShift: 0.99, power: 0.3, noiseLevel: 2 };

export function shiftConfig(id: ResshiftId): ShiftConfig {
  return { ...SHIFTS, steps: RESSHIFT_STEPS[id], leastNoise: SHIFTS.leastNoise[id] };
}

const configSchema = z.object({
  sizes: sizesSchema,
  shift: z.object({
    steps: count,
    leastNoise: z.number(),
    mostShift: z.number(),
    power: z.number(),
    noiseLevel: z.number(),
  }),
  flavor: flavorSchema,
});
export type ResshiftConfig = z.infer<typeof configSchema>;

/** `path`: of a file of sizes, for networks other than the published ones. Throws AppError `engine-failed`. */
export async function readSizes(path: string | undefined): Promise<ResshiftSizes> {
  return path === undefined ? PUBLISHED_SIZES : await readConfig(path, sizesSchema);
}

/** Throws AppError `engine-failed`. */
export function readResshiftConfig(path: string): Promise<ResshiftConfig> {
  return readConfig(path, configSchema);
}
