import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { PROMPT_LENGTH } from '../tokenizer/clip-tokenizer.ts';
import type { SchedulerConfig, TextEncoderConfig, UnetConfig, VaeConfig } from '../weights/diffusers-configs.ts';
import { count } from './config-schemas.ts';

/** How noise was added in training. */
export const noisingSchema = z.object({
  trainSteps: count,
  betaStart: z.number(),
  betaEnd: z.number(),
  betaSchedule: z.literal('scaled_linear'),
});

/** Of a pipeline of diffusers, in `config.json` of a built model: what cannot be read off its networks. */
export const pipelineFields = {
  schedule: noisingSchema,
  /** Width of the time embedding. */
  timeChannels: count,
  vae: z.object({
    block_out_channels: z.array(count),
    layers_per_block: count,
    norm_num_groups: count,
    latent_channels: count,
    scaling_factor: z.number().positive(),
  }),
};

interface Configs {
  unet: Pick<UnetConfig, 'block_out_channels'>;
  textEncoder: TextEncoderConfig;
  vae: VaeConfig;
  scheduler: SchedulerConfig;
}

/** Throws AppError `engine-failed` for a text encoder that reads prompts of another length. */
export function pipelineFacts({ unet, textEncoder, vae, scheduler }: Configs) {
  const { max_position_embeddings: tokens } = textEncoder;
  if (tokens !== PROMPT_LENGTH) {
    throw new AppError('engine-failed', `The text encoder reads ${tokens} tokens; prompts have ${PROMPT_LENGTH}.`);
  }
  return {
    schedule: {
      trainSteps: scheduler.num_train_timesteps,
      betaStart: scheduler.beta_start,
      betaEnd: scheduler.beta_end,
      betaSchedule: scheduler.beta_schedule,
    },
    timeChannels: unet.block_out_channels[0]!,
    vae: {
      block_out_channels: vae.block_out_channels,
      layers_per_block: vae.layers_per_block,
      norm_num_groups: vae.norm_num_groups,
      latent_channels: vae.latent_channels,
      scaling_factor: vae.scaling_factor,
    },
  };
}
