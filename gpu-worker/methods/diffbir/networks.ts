import { clipText } from '../../graphs/clip-text.ts';
import { controlledUnet } from '../../graphs/controlled-unet.ts';
import { convolution } from '../../graphs/convolution.ts';
import { createGraphBuilder, type Flavor, type Graph, type GraphOptions } from '../../graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../graphs/unet-conditions.ts';
import { type ControlledConfig, textContext, type UnetConfig } from '../../graphs/unet-layout.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { shareOut } from '../../model-store/share-out.ts';
import { vaeDecoder, vaeEncoder } from '../../vae/vae-graphs.ts';
import type { DiffbirCheckpoints } from './checkpoints.ts';
import { VERSIONS } from './versions.ts';

const DENOISER = ['context', 'time', 'stem', 'denoiser'];

/** ControlNet has the sizes of the UNet, and a stem for the hint. */
export function diffbirDenoiser(unet: UnetConfig): ControlledConfig {
  return { unet, controlNet: unet, contexts: [textContext(unet.cross_attention_dim)] };
}

/**
 * Every network of DiffBIR with its weights. Throws AppError `engine-failed` that lists the differences unless the graphs
 * use every tensor of every checkpoint, and no other.
 */
export function diffbirNetworks(
  checkpoints: Omit<DiffbirCheckpoints, keyof AsyncDisposable>,
  flavor: Flavor,
): Network[] {
  const { sizes, firstStage, text, vae, unet, controlNet } = checkpoints;
  const name = VERSIONS[checkpoints.version].firstStage;
  const denoiser = diffbirDenoiser(sizes.unet);
  const graphs: Record<string, Graph> = {
    [name]: firstStage.graph({ flavor }),
    'text-encoder': clipText(sizes.text, { flavor }),
    'vae-encoder': vaeEncoder(sizes.vae, { flavor }),
    'vae-decoder': vaeDecoder(sizes.vae, { flavor }),
    context: contextGraph(denoiser, { flavor }),
    time: timeGraph(denoiser, { flavor }),
    stem: hintStem(sizes.unet, { flavor }),
    denoiser: controlledUnet(denoiser, { flavor }),
  };
  return shareOut(graphs, [
    { checkpoint: firstStage.checkpoint, prefix: '', networks: [name] },
    { checkpoint: text, prefix: '', networks: ['text-encoder'] },
    { checkpoint: vae, prefix: '', networks: ['vae-encoder', 'vae-decoder'] },
    { checkpoint: unet, prefix: 'unet.', networks: DENOISER },
    { checkpoint: controlNet, prefix: 'controlnet.', networks: DENOISER },
  ]);
}

/**
 * What the hint, a latent of the cleaned picture, adds to ControlNet's first convolution: `condition` [1, 4, h, w] → `stem`
 * [1, C, h, w], C the first of the block channels.
 */
export function hintStem({ in_channels, block_out_channels }: UnetConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('stem', options);
  const to = block_out_channels[0]!;
  const hint = graph.input('condition', [1, in_channels, 'height', 'width']);
  const stem = convolution(graph, hint, 'controlnet.stem', { from: in_channels, to, bias: false });
  graph.output('stem', stem, [1, to, 'height', 'width']);
  return graph.build();
}
