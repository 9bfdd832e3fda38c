import { clipText } from '../../graphs/clip-text.ts';
import { stemGraph } from '../../graphs/control-stem.ts';
import { controlledUnet } from '../../graphs/controlled-unet.ts';
import { type Flavor, FULL_PRECISION, type Graph } from '../../graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../graphs/unet-conditions.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { type Share, shareOut } from '../../model-store/share-out.ts';
import type { ReadWeight } from '../../runtime/compile.ts';
import { vaeDecoder, vaeEncoder } from '../../vae/vae-graphs.ts';
import type { SeesrCheckpoints } from './checkpoints.ts';
import { seesrDenoiser } from './denoiser-config.ts';
import { taggerGraph } from './tagger-graph.ts';

type Networks = Pick<SeesrCheckpoints, 'unet' | 'controlNet' | 'textEncoder' | 'vae' | 'tagger' | 'configs'>;

const IMAGE_CONTEXT_KEY = 'mid_block.image_attentions.0.transformer_blocks.0.attn2.to_k.weight';
const DENOISER = ['context', 'time', 'stem', 'denoiser'];

/** The sizes of the denoiser. */
export function seesrConfigOf({ unet, configs }: Pick<SeesrCheckpoints, 'unet' | 'configs'>) {
  return seesrDenoiser({
    unet: configs.unet,
    controlNet: configs.controlNet,
    imageContextSize: unet.tensors.get(IMAGE_CONTEXT_KEY)?.shape[1] ?? configs.tagger.image_embed_dim,
  });
}

/** Reads the weights of the denoiser's graphs, whose names say which of the nets is meant. */
export function denoiserWeights({ unet, controlNet }: Pick<SeesrCheckpoints, 'unet' | 'controlNet'>): ReadWeight {
  return async (name) => {
    const net = name.startsWith('unet.') ? unet : controlNet;
    return await net.read(name.slice(name.indexOf('.') + 1));
  };
}

/**
 * Every network of SeeSR with its weights. Throws AppError `engine-failed` that lists the differences unless the graphs
 * use every tensor of every checkpoint, and no other.
 */
export function seesrNetworks(checkpoints: Networks, flavor: Flavor = FULL_PRECISION): Network[] {
  const { unet, controlNet, textEncoder, vae, tagger, configs } = checkpoints;
  const config = seesrConfigOf(checkpoints);
  const tags = tagger.tensors.get('label_embed')?.shape[0] ?? 0;
  const graphs: Record<string, Graph> = {
    // Runs once a photo, in fp32 as in the published script.
    tagger: taggerGraph({ ...configs.tagger, tags }),
    'text-encoder': clipText(configs.textEncoder, { flavor }),
    'vae-encoder': vaeEncoder(configs.vae, { flavor }),
    'vae-decoder': vaeDecoder(configs.vae, { flavor }),
    context: contextGraph(config, { flavor }),
    time: timeGraph(config, { flavor }),
    stem: stemGraph(config.controlNet, { flavor }),
    denoiser: controlledUnet(config, { flavor }),
  };
  const shares: Share[] = [
    { checkpoint: tagger, prefix: '', networks: ['tagger'] },
    { checkpoint: textEncoder, prefix: '', networks: ['text-encoder'] },
    { checkpoint: vae, prefix: '', networks: ['vae-encoder', 'vae-decoder'] },
    { checkpoint: unet, prefix: 'unet.', networks: DENOISER },
    { checkpoint: controlNet, prefix: 'controlnet.', networks: DENOISER },
  ];
  return shareOut(graphs, shares);
}
