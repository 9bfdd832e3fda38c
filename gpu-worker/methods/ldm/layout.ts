import type { DenoiserConfig } from '../../graphs/unet-layout.ts';
import type { LdmSizes } from './config.ts';

/** Its UNet in the words of diffusers, which the library has. */

/** No text: the one kind of attention looks at the latent itself. */
const ITSELF = { kind: 'self', folder: 'attentions', input: 'latent', batch: 1, size: 0 } as const;

export function denoiserConfig({ unet }: LdmSizes): DenoiserConfig {
  const channels = unet.channel_mult.map((factor) => factor * unet.model_channels);
  const attends = channels.map((_, level) => unet.attention_resolutions.includes(2 ** level));
  return {
    unet: {
      in_channels: unet.in_channels,
      out_channels: unet.out_channels,
      block_out_channels: channels,
      layers_per_block: unet.num_res_blocks,
      attention_head_dim: channels.map((size) => size / unet.num_head_channels),
      cross_attention_dim: 0,
      norm_num_groups: unet.norm_groups,
      norm_eps: unet.norm_eps,
      down_block_types: attends.map((yes) => (yes ? 'AttnDownBlock2D' : 'DownBlock2D')),
      up_block_types: attends.map((yes) => (yes ? 'AttnUpBlock2D' : 'UpBlock2D')).reverse(),
    },
    contexts: [ITSELF],
  };
}
