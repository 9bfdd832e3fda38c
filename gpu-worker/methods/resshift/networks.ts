import type { Flavor } from '../../graphs/onnx.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { shareOut } from '../../model-store/share-out.ts';
import { vaeDecoder, vaeEncoder } from '../../vae/vae-graphs.ts';
import type { VaeConfig } from '../../vae/vae-steps.ts';
import type { ResshiftCheckpoints } from './checkpoints.ts';
import type { VqSizes } from './config.ts';
import { timeGraph, unetGraph } from './unet-graphs.ts';

/** Every network of ResShift with its weights. Throws AppError `engine-failed` as `shareOut` does. */
export function resshiftNetworks({ sizes, unet, vq }: ResshiftCheckpoints, flavor: Flavor): Network[] {
  const config = vqConfig(sizes.vq);
  return shareOut(
    {
      time: timeGraph(sizes.unet, { flavor }),
      unet: unetGraph(sizes.unet, { flavor }),
      'vq-encoder': vaeEncoder(config, { flavor }),
      'vq-decoder': vaeDecoder(config, { flavor }),
    },
    [
      { checkpoint: unet, prefix: '', networks: ['time', 'unet'] },
      { checkpoint: vq, prefix: '', networks: ['vq-encoder', 'vq-decoder'] },
    ],
  );
}

/** The autoencoder in the words of diffusers. */
export function vqConfig({ z_channels, n_embed, ch, ch_mult, num_res_blocks, norm_groups }: VqSizes): VaeConfig {
  return {
    block_out_channels: ch_mult.map((factor) => factor * ch),
    layers_per_block: num_res_blocks,
    norm_num_groups: norm_groups,
    latent_channels: z_channels,
    codes: n_embed,
  };
}
