import { z } from 'zod';
import { readConfig } from '../../weights/read-config.ts';

const count = z.int().positive();
const floatType = z.enum(['float32', 'float16']);
const seesrConfigSchema = z.object({
  /** Of all networks but the tagger, which is fp32 throughout. */
  flavor: z.object({ storage: floatType, compute: floatType }),
  /** Side of the square picture that the tagger looks at. */
  taggerImageSize: count,
  /** The tags of the tagger, in the order of its logits; a score must be above the threshold. */
  tags: z.array(z.object({ name: z.string(), threshold: z.number() })),
  /** How noise was added in training, and which timesteps the published script calls. */
  schedule: z.object({
    trainSteps: count,
    betaStart: z.number(),
    betaEnd: z.number(),
    betaSchedule: z.literal('scaled_linear'),
    spacing: z.enum(['leading', 'trailing']),
    offset: z.int().nonnegative(),
  }),
  /** Width of the time embedding. */
  timeChannels: count,
  vae: z.object({
    block_out_channels: z.array(count),
    layers_per_block: count,
    norm_num_groups: count,
    latent_channels: count,
    scaling_factor: z.number().positive(),
  }),
});

/** `config.json` of a built model: the facts that a caller of its networks needs. */
export type SeesrConfig = z.infer<typeof seesrConfigSchema>;

/** Throws AppError `engine-failed`. */
export function readSeesrConfig(path: string): Promise<SeesrConfig> {
  return readConfig(path, seesrConfigSchema);
}
