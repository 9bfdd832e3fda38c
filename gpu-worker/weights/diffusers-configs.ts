import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { parseJsonObject } from './strict-json.ts';

/*
 * The configuration files beside the published weights, only the fields that the networks need; names as in the files.
 * A field that selects a variant of the architecture may name only the one that is built here; a field that is
 * missing has the default of diffusers 0.21 or transformers 4.25, as the files were written for them.
 */

const count = z.int().positive();
const counts = z.array(count).min(1).max(8);
/** Absent, or exactly this. */
const only = <const Value extends string | number | boolean | null>(value: Value) => z.literal(value).optional();
const absent = z.null().optional();

const diffusionFields = {
  in_channels: count.default(4),
  block_out_channels: counts,
  down_block_types: z.array(z.enum(['CrossAttnDownBlock2D', 'DownBlock2D'])),
  layers_per_block: count.default(2),
  /** Numbers of heads, one for all blocks or one each, in spite of the name. */
  attention_head_dim: z.union([count, counts]).default(8),
  cross_attention_dim: count,
  norm_num_groups: count.default(32),
  norm_eps: z.number().positive().default(1e-5),
  act_fn: only('silu'),
  flip_sin_to_cos: only(true),
  freq_shift: only(0),
  downsample_padding: only(1),
  mid_block_scale_factor: only(1),
  only_cross_attention: only(false),
  transformer_layers_per_block: only(1),
  resnet_time_scale_shift: only('default'),
  num_attention_heads: absent,
  class_embed_type: absent,
  num_class_embeds: absent,
  addition_embed_type: absent,
  encoder_hid_dim: absent,
  encoder_hid_dim_type: absent,
};

const unetFields = z.object({
  ...diffusionFields,
  out_channels: count.default(4),
  up_block_types: z.array(z.enum(['CrossAttnUpBlock2D', 'UpBlock2D'])),
  mid_block_type: only('UNetMidBlock2DCrossAttn'),
  center_input_sample: only(false),
  dual_cross_attention: only(false),
  time_embedding_type: only('positional'),
  time_embedding_dim: absent,
  time_embedding_act_fn: absent,
  timestep_post_act: absent,
  time_cond_proj_dim: absent,
  resnet_skip_time_act: only(false),
  resnet_out_scale_factor: only(1),
  conv_in_kernel: only(3),
  conv_out_kernel: only(3),
  attention_type: only('default'),
  class_embeddings_concat: only(false),
  mid_block_only_cross_attention: absent,
  cross_attention_norm: absent,
});

const controlNetFields = z.object({
  ...diffusionFields,
  conditioning_channels: only(3),
  conditioning_embedding_out_channels: counts.default([16, 32, 96, 256]),
  controlnet_conditioning_channel_order: only('rgb'),
  global_pool_conditions: only(false),
  use_image_cross_attention: only(true),
  /** Degradation removal of PASD by residual dense blocks. */
  use_rrdb: only(false),
});

/** The projections around a transformer: linear layers, or in Stable Diffusion 1 convolutions of 1 × 1. */
const linear = { use_linear_projection: z.literal(true) };
const convolutions = { use_linear_projection: only(false) };
const unetSchema = unetFields.extend(linear).superRefine(onePerBlock);
const controlNetSchema = controlNetFields.extend(linear).superRefine(onePerBlock);
const unetOfSd1Schema = unetFields.extend(convolutions).superRefine(onePerBlock);
const controlNetOfSd1Schema = controlNetFields.extend(convolutions).superRefine(onePerBlock);

const vaeSchema = z
  .object({
    in_channels: only(3),
    out_channels: only(3),
    latent_channels: count.default(4),
    block_out_channels: counts,
    layers_per_block: count.default(1),
    norm_num_groups: count.default(32),
    scaling_factor: z.number().positive().default(0.18215),
    down_block_types: z.array(z.literal('DownEncoderBlock2D')),
    up_block_types: z.array(z.literal('UpDecoderBlock2D')),
    act_fn: only('silu'),
    mid_block_add_attention: only(true),
    use_quant_conv: only(true),
    use_post_quant_conv: only(true),
  })
  .superRefine(onePerBlock);

const textEncoderSchema = z.object({
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  max_position_embeddings: count.default(77),
  vocab_size: count.default(49408),
  layer_norm_eps: z.number().positive().default(1e-5),
  /** That of transformers, quick_gelu, is not the one of Stable Diffusion 2: it has to be said. */
  hidden_act: z.enum(['gelu', 'quick_gelu']),
});

const schedulerSchema = z.object({
  num_train_timesteps: count.default(1000),
  beta_start: z.number().positive(),
  beta_end: z.number().positive(),
  beta_schedule: z.literal('scaled_linear'),
  prediction_type: only('epsilon'),
  /** Absent would mean true for the DDPM sampler. */
  clip_sample: z.literal(false),
  steps_offset: z.int().nonnegative().default(0),
  timestep_spacing: z.enum(['leading', 'trailing']).default('leading'),
  thresholding: only(false),
  rescale_betas_zero_snr: only(false),
  trained_betas: absent,
});

const tokenSchema = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const specialTokensSchema = z.object({ pad_token: tokenSchema });

const taggerSchema = z.object({
  image_size: count,
  patch_size: count,
  window_size: count,
  embed_dim: count,
  depths: counts,
  num_heads: counts,
  image_embed_dim: count,
  tag_head: z.object({ hidden_size: count, heads: count, intermediate_size: count, layers: count }),
  lora_rank: count,
  lora_alpha: z.number().positive(),
  /** Neither list is in the published files; the real ones come with the method. */
  tags: z.array(z.string()).optional(),
  thresholds: z.array(z.number()).optional(),
});

export type UnetConfig = z.output<typeof unetSchema>;
export type ControlNetConfig = z.output<typeof controlNetSchema>;
export type VaeConfig = z.output<typeof vaeSchema>;
export type TextEncoderConfig = z.output<typeof textEncoderSchema>;
export type SchedulerConfig = z.output<typeof schedulerSchema>;
export type TaggerConfig = z.output<typeof taggerSchema>;

/** RAM with Swin-L at 384 pixels, and DAPE's LoRA; the published checkpoints have no configuration beside them. */
export const RAM_SWIN_LARGE: TaggerConfig = {
  image_size: 384,
  patch_size: 4,
  window_size: 12,
  embed_dim: 192,
  depths: [2, 2, 18, 2],
  num_heads: [6, 12, 24, 48],
  image_embed_dim: 512,
  tag_head: { hidden_size: 768, heads: 4, intermediate_size: 3072, layers: 2 },
  lora_rank: 8,
  lora_alpha: 1,
};

// Each throws AppError `engine-failed` that lists every field which is missing or has a value that is not supported.
export const readUnetConfig = (path: string) => readConfig(unetSchema, path);
export const readControlNetConfig = (path: string) => readConfig(controlNetSchema, path);
/** Of Stable Diffusion 1. */
export const readUnetConfigOfSd1 = (path: string) => readConfig(unetOfSd1Schema, path);
export const readControlNetConfigOfSd1 = (path: string) => readConfig(controlNetOfSd1Schema, path);
export const readVaeConfig = (path: string) => readConfig(vaeSchema, path);
export const readTextEncoderConfig = (path: string) => readConfig(textEncoderSchema, path);
export const readSchedulerConfig = (path: string) => readConfig(schedulerSchema, path);
/** The token that short texts are filled up with, of `special_tokens_map.json`. */
export const readPaddingToken = async (path: string) => (await readConfig(specialTokensSchema, path)).pad_token;
export const readTaggerConfig = (path: string) => readConfig(taggerSchema, path);

async function readConfig<Config>(schema: z.ZodType<Config>, path: string): Promise<Config> {
  let json: Record<string, unknown>;
  try {
    json = parseJsonObject(await readFile(path));
  } catch (error) {
    throw new AppError('engine-failed', `${path} is not a configuration: ${(error as Error).message}.`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const rules = parsed.error.issues.map((issue) => {
    const value = issue.path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown>)?.[key], json);
    return `${issue.path.join('.')} is ${JSON.stringify(value) ?? 'missing'} (${issue.message})`;
  });
  throw new AppError('engine-failed', `${path} asks for unsupported values: ${rules.join('; ')}.`);
}

/** A list with one entry for each block of channels. */
function onePerBlock(config: { block_out_channels: number[] }, context: z.core.$RefinementCtx): void {
  const blocks = config.block_out_channels.length;
  for (const [path, value] of Object.entries(config)) {
    const perBlock = path === 'attention_head_dim' || path.endsWith('_block_types');
    if (perBlock && Array.isArray(value) && value.length !== blocks) {
      context.addIssue({ code: 'custom', path: [path], message: `one for each of ${blocks} blocks is expected` });
    }
  }
}
