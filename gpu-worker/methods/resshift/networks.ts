import type { Flavor } from '../../graphs/onnx.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { shareOut } from '../../model-store/share-out.ts';
import { vaeDecoder, vaeEncoder } from '../../vae/vae-graphs.ts';
import { vqConfig } from '../vq-sizes.ts';
import type { ResshiftCheckpoints } from './checkpoints.ts';
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
