import type { TextEncoderConfig } from '../../graphs/clip-text.ts';
import { type DenoiserConfig, type EncoderConfig, textContext } from '../../graphs/unet-layout.ts';
import type { StablesrSizes } from './config.ts';
import type { WrappedConfig } from './wrapped-steps.ts';

/** The sizes of the networks, in the words of the graphs. */
export interface Networks extends DenoiserConfig {
  timeAware: EncoderConfig & { out_channels: number };
  /** Hidden channels of the feature modulation. */
  spadeHidden: number;
  vae: WrappedConfig;
  text: TextEncoderConfig;
}

export function networksOfSizes({ unet, structcond, spade, autoencoder, cfw, text }: StablesrSizes): Networks {
  return {
    unet: {
      ...encoderOf(unet),
      out_channels: unet.out_channels,
      attention_head_dim: unet.channel_mult.map((factor) => (factor * unet.model_channels) / unet.num_head_channels),
      cross_attention_dim: unet.context_dim,
      up_block_types: blockTypes(unet, 'UpBlock2D').toReversed(),
    },
    contexts: [{ ...textContext(unet.context_dim), batch: 1 }],
    timeAware: {
      ...encoderOf(structcond),
      attention_head_dim: structcond.num_heads,
      out_channels: structcond.out_channels,
    },
    spadeHidden: spade.hidden,
    vae: {
      block_out_channels: autoencoder.ch_mult.map((factor) => factor * autoencoder.ch),
      layers_per_block: autoencoder.num_res_blocks,
      norm_num_groups: autoencoder.norm_groups,
      latent_channels: autoencoder.z_channels,
      growth: cfw.num_grow_ch,
      fusionBlocks: cfw.num_fuse_block,
    },
    text: {
      vocab_size: text.vocab_size,
      max_position_embeddings: text.context_length,
      hidden_size: text.width,
      num_hidden_layers: text.used_layers,
      num_attention_heads: text.heads,
      intermediate_size: 4 * text.width,
      layer_norm_eps: 1e-5,
      hidden_act: 'gelu',
    },
  };
}

type UnetSizes = StablesrSizes['unet'] | StablesrSizes['structcond'];

function encoderOf(sizes: UnetSizes): EncoderConfig {
  return {
    in_channels: sizes.in_channels,
    block_out_channels: sizes.channel_mult.map((factor) => factor * sizes.model_channels),
    layers_per_block: sizes.num_res_blocks,
    attention_head_dim: 1,
    cross_attention_dim: 0,
    norm_num_groups: sizes.norm_groups,
    norm_eps: 1e-5,
    down_block_types: blockTypes(sizes, 'DownBlock2D'),
  };
}

/** As diffusers names them: with attention, and without. */
function blockTypes({ channel_mult, attention_resolutions }: UnetSizes, plain: string): string[] {
  return channel_mult.map((_, level) => (attention_resolutions.includes(2 ** level) ? `CrossAttn${plain}` : plain));
}
