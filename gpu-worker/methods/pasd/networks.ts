import { clipText } from '../../graphs/clip-text.ts';
import { stemGraph } from '../../graphs/control-stem.ts';
import type { GraphOptions } from '../../graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../graphs/unet-conditions.ts';
import { textContext } from '../../graphs/unet-layout.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { shareOut } from '../../model-store/share-out.ts';
import { vaeDecoder, vaeEncoder } from '../../vae/vae-graphs.ts';
import type { PasdCheckpoints } from './checkpoints.ts';
import { pasdDenoiser } from './denoiser-graph.ts';

type Checkpoints = Pick<PasdCheckpoints, 'unet' | 'controlNet' | 'textEncoder' | 'vae' | 'configs'>;

const DENOISER = ['context', 'time', 'stem', 'denoiser'];

/**
 * Every network of PASD with its weights. Throws AppError `engine-failed` that lists the differences unless the graphs
 * use every tensor of every checkpoint, and no other.
 */
export function pasdNetworks(checkpoints: Checkpoints, options: GraphOptions): Network[] {
  const { unet, controlNet, textEncoder, vae, configs } = checkpoints;
  const config = {
    unet: configs.unet,
    controlNet: configs.controlNet,
    contexts: [textContext(configs.unet.cross_attention_dim)],
  };
  const graphs = {
    'text-encoder': clipText(configs.textEncoder, options),
    'vae-encoder': vaeEncoder(configs.vae, options),
    'vae-decoder': vaeDecoder(configs.vae, options),
    context: contextGraph(config, options),
    time: timeGraph(config, options),
    stem: stemGraph(configs.controlNet, options),
    denoiser: pasdDenoiser(config, options),
  };
  return shareOut(graphs, [
    { checkpoint: textEncoder, prefix: '', networks: ['text-encoder'] },
    { checkpoint: vae, prefix: '', networks: ['vae-encoder', 'vae-decoder'] },
    { checkpoint: unet, prefix: 'unet.', networks: DENOISER },
    { checkpoint: controlNet, prefix: 'controlnet.', networks: DENOISER },
  ]);
}
