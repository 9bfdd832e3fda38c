import { clipText } from '../../graphs/clip-text.ts';
import type { Flavor, Graph } from '../../graphs/onnx.ts';
import { contextGraph } from '../../graphs/unet-conditions.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { shareOut } from '../../model-store/share-out.ts';
import { vaeEncoder } from '../../vae/vae-graphs.ts';
import type { StablesrCheckpoints } from './checkpoints.ts';
import { denoiserGraph } from './denoiser-graph.ts';
import { type Networks, networksOfSizes } from './sizes.ts';
import { timeGraph } from './time-graph.ts';
import { wrappedDecoder, wrappedEncoder } from './wrapped-graphs.ts';

/** By the name of their file. */
export function stablesrGraphs(networks: Networks, flavor: Flavor): Record<string, Graph> {
  return {
    'text-encoder': clipText(networks.text, { flavor }),
    'vae-encoder': vaeEncoder(networks.vae, { flavor }),
    'wrapped-encoder': wrappedEncoder(networks.vae, { flavor }),
    'wrapped-decoder': wrappedDecoder(networks.vae, { flavor }),
    context: contextGraph(networks, { flavor }),
    time: timeGraph(networks, { flavor }),
    denoiser: denoiserGraph(networks, { flavor }),
  };
}

/** Every network of StableSR with its weights. Throws as `shareOut` does. */
export function stablesrNetworks(checkpoints: StablesrCheckpoints, flavor: Flavor): Network[] {
  const { sizes, unet, timeAware, textEncoder, vaeEncoder: encoder, wrapped } = checkpoints;
  return shareOut(stablesrGraphs(networksOfSizes(sizes), flavor), [
    { checkpoint: textEncoder, prefix: '', networks: ['text-encoder'] },
    { checkpoint: encoder, prefix: '', networks: ['vae-encoder'] },
    { checkpoint: wrapped, prefix: '', networks: ['wrapped-encoder', 'wrapped-decoder'] },
    { checkpoint: unet, prefix: 'unet.', networks: ['context', 'time', 'denoiser'] },
    { checkpoint: timeAware, prefix: 'structcond.', networks: ['time', 'denoiser'] },
  ]);
}
