import type { Flavor, Graph } from '../../graphs/onnx.ts';
import { timeGraph } from '../../graphs/unet-conditions.ts';
import { vaeDecoder } from '../../vae/vae-graphs.ts';
import { vqConfig } from '../vq-sizes.ts';
import type { LdmSizes } from './config.ts';
import { ldmDenoiser } from './denoiser-graph.ts';
import { denoiserConfig } from './layout.ts';

/** Files of a built model, without the ending. */
export type NetworkName = 'time' | 'denoiser' | 'vq-decoder';

/** The tensors of the UNet begin with `unet.`. */
export function ldmGraphs(sizes: LdmSizes, flavor?: Flavor): Record<NetworkName, Graph> {
  const options = flavor ? { flavor } : {};
  return {
    time: timeGraph(denoiserConfig(sizes), options),
    denoiser: ldmDenoiser(denoiserConfig(sizes), options),
    'vq-decoder': vaeDecoder(vqConfig(sizes.vq), options),
  };
}
