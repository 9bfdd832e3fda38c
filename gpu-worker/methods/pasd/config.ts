import { z } from 'zod';
import { AppError } from '../../../shared/error.ts';
import type { Flavor } from '../../graphs/onnx.ts';
import { PROMPT_LENGTH } from '../../tokenizer/clip-tokenizer.ts';
import { readConfig } from '../../weights/read-config.ts';
import type { PasdCheckpoints } from './checkpoints.ts';

const count = z.int().positive();
const floatType = z.enum(['float32', 'float16']);
const pasdConfigSchema = z.object({
  /** Of all networks. */
  flavor: z.object({ storage: floatType, compute: floatType }),
  /** The token that short texts are filled up with. */
  padding: z.string(),
  /** How noise was added in training. */
  schedule: z.object({
    trainSteps: count,
    betaStart: z.number(),
    betaEnd: z.number(),
    betaSchedule: z.literal('scaled_linear'),
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
export type PasdConfig = z.infer<typeof pasdConfigSchema>;

/** Throws AppError `engine-failed`. */
export function readPasdConfig(path: string): Promise<PasdConfig> {
  return readConfig(path, pasdConfigSchema);
}

/** The facts that cannot be read off the networks. Throws AppError `engine-failed` for prompts of another length. */
export function pasdConfig({ configs }: Pick<PasdCheckpoints, 'configs'>, flavor: Flavor): PasdConfig {
  const { max_position_embeddings: tokens } = configs.textEncoder;
  if (tokens !== PROMPT_LENGTH) {
    throw new AppError('engine-failed', `The text encoder reads ${tokens} tokens; prompts have ${PROMPT_LENGTH}.`);
  }
  const { scheduler, vae } = configs;
  return {
    flavor,
    padding: configs.padding,
    schedule: {
      trainSteps: scheduler.num_train_timesteps,
      betaStart: scheduler.beta_start,
      betaEnd: scheduler.beta_end,
      betaSchedule: scheduler.beta_schedule,
    },
    timeChannels: configs.unet.block_out_channels[0]!,
    vae: {
      block_out_channels: vae.block_out_channels,
      layers_per_block: vae.layers_per_block,
      norm_num_groups: vae.norm_num_groups,
      latent_channels: vae.latent_channels,
      scaling_factor: vae.scaling_factor,
    },
  };
}
