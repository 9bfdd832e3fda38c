import { z } from 'zod';
import type { TextEncoderConfig } from '../../graphs/clip-text.ts';
import type { UnetConfig } from '../../graphs/unet-layout.ts';
import type { VaeConfig } from '../../vae/vae-steps.ts';
import { readConfig } from '../../weights/read-config.ts';
import type { SwinirSizes } from './swinir-parts.ts';

const count = z.int().positive();
const counts = z.array(count).min(1);
/** Under the names of the published code's configurations. */
const sizesSchema = z.object({
  norm_num_groups: count,
  unet: z.object({ model_channels: count, channel_mult: counts, num_res_blocks: count, num_head_channels: count }),
  vae: z.object({ ch: count, ch_mult: counts, num_res_blocks: count }),
  text: z.object({ width: count, heads: count, layers: count, vocab_size: count, context_length: count }),
  swinir: z.object({
    embed_dim: count,
    depths: counts,
    num_heads: counts,
    window_size: count,
    mlp_ratio: count,
    num_feat: count,
  }),
});
type Sizes = z.infer<typeof sizesSchema>;

/** The files do not tell all of it. */
const PUBLISHED: Sizes = {
  norm_num_groups: 32,
  unet: { model_channels: 320, channel_mult: [1, 2, 4, 4], num_res_blocks: 2, num_head_channels: 64 },
  vae: { ch: 128, ch_mult: [1, 2, 4, 4], num_res_blocks: 2 },
  text: { width: 1024, heads: 16, layers: 24, vocab_size: 49_408, context_length: 77 },
  swinir: {
    embed_dim: 180,
    depths: Array(8).fill(6),
    num_heads: Array(8).fill(6),
    window_size: 8,
    mlp_ratio: 2,
    num_feat: 64,
  },
};

/** The networks of DiffBIR, as the graphs are told of them. */
export interface DiffbirSizes {
  unet: UnetConfig;
  vae: VaeConfig;
  /** Without the last layer. */
  text: TextEncoderConfig;
  swinir: SwinirSizes;
}

/** `path`: of a file of sizes, for networks other than the published ones. Throws AppError `engine-failed`. */
export async function readSizes(path?: string): Promise<DiffbirSizes> {
  return sizesOf(path === undefined ? PUBLISHED : await readConfig(path, sizesSchema));
}

function sizesOf({ norm_num_groups, unet, vae, text, swinir }: Sizes): DiffbirSizes {
  return {
    unet: unetConfig(unet, text.width, norm_num_groups),
    vae: {
      block_out_channels: vae.ch_mult.map((factor) => factor * vae.ch),
      layers_per_block: vae.num_res_blocks,
      norm_num_groups,
      latent_channels: LATENT_CHANNELS,
    },
    text: {
      vocab_size: text.vocab_size,
      max_position_embeddings: text.context_length,
      hidden_size: text.width,
      // Stable Diffusion 2 was trained on the output of the last but one.
      num_hidden_layers: text.layers - 1,
      num_attention_heads: text.heads,
      intermediate_size: 4 * text.width,
      layer_norm_eps: 1e-5,
      hidden_act: 'gelu',
    },
    swinir: {
      channels: swinir.embed_dim,
      hidden: swinir.mlp_ratio * swinir.embed_dim,
      features: swinir.num_feat,
      window: swinir.window_size,
      groups: swinir.depths.map((blocks, group) => ({ blocks, heads: swinir.num_heads[group]! })),
    },
  };
}

const LATENT_CHANNELS = 4;

/** Of Stable Diffusion 2 with other sizes: the deepest level has no transformers. */
function unetConfig(
  { model_channels, channel_mult, num_res_blocks, num_head_channels }: Sizes['unet'],
  textWidth: number,
  groups: number,
): UnetConfig {
  const channels = channel_mult.map((factor) => factor * model_channels);
  const isDeepest = (level: number) => level === channels.length - 1;
  const down = channels.map((_, level) => (isDeepest(level) ? 'DownBlock2D' : 'CrossAttnDownBlock2D'));
  return {
    in_channels: LATENT_CHANNELS,
    out_channels: LATENT_CHANNELS,
    block_out_channels: channels,
    layers_per_block: num_res_blocks,
    attention_head_dim: channels.map((size) => size / num_head_channels),
    cross_attention_dim: textWidth,
    norm_num_groups: groups,
    norm_eps: 1e-5,
    down_block_types: down,
    up_block_types: down.map((type) => type.replace('Down', 'Up')).reverse(),
  };
}
