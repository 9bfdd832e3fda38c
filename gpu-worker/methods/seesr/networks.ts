import { clipText } from '../../graphs/clip-text.ts';
import type { Flavor, Graph } from '../../graphs/onnx.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { vaeDecoder, vaeEncoder } from '../../vae/vae-graphs.ts';
import { type Checkpoint, checkShapes } from '../../weights/checkpoint.ts';
import type { SeesrCheckpoints } from './checkpoints.ts';
import { contextGraph, stemGraph, timeGraph } from './conditioning-graphs.ts';
import { denoiserGraph } from './denoiser-graph.ts';
import { taggerGraph } from './tagger-graph.ts';

type Networks = Pick<SeesrCheckpoints, 'unet' | 'controlNet' | 'textEncoder' | 'vae' | 'tagger' | 'configs'>;

/** One checkpoint and the graphs that share it out among them. */
interface Share {
  checkpoint: Checkpoint;
  /** The prefix of its names in the graphs. */
  prefix: string;
  networks: readonly string[];
}

const IMAGE_CONTEXT_KEY = 'mid_block.image_attentions.0.transformer_blocks.0.attn2.to_k.weight';
const DENOISER = ['context', 'time', 'stem', 'denoiser'];

/**
 * Every network of SeeSR with its weights. Throws AppError `engine-failed` that lists the differences unless the graphs
 * use every tensor of every checkpoint, and no other.
 */
export function seesrNetworks(checkpoints: Networks, flavor: Flavor): Network[] {
  const { unet, controlNet, textEncoder, vae, tagger, configs } = checkpoints;
  const config = {
    unet: configs.unet,
    controlNet: configs.controlNet,
    imageContextSize: unet.tensors.get(IMAGE_CONTEXT_KEY)?.shape[1] ?? configs.tagger.image_embed_dim,
  };
  const tags = tagger.tensors.get('label_embed')?.shape[0] ?? 0;
  const graphs: Record<string, Graph> = {
    // Runs once a photo, in fp32 as in the published script.
    tagger: taggerGraph({ ...configs.tagger, tags }),
    'text-encoder': clipText(configs.textEncoder, { flavor }),
    'vae-encoder': vaeEncoder(configs.vae, { flavor }),
    'vae-decoder': vaeDecoder(configs.vae, { flavor }),
    context: contextGraph(config, { flavor }),
    time: timeGraph(config, { flavor }),
    stem: stemGraph(config, { flavor }),
    denoiser: denoiserGraph(config, { flavor }),
  };
  const shares: Share[] = [
    { checkpoint: tagger, prefix: '', networks: ['tagger'] },
    { checkpoint: textEncoder, prefix: '', networks: ['text-encoder'] },
    { checkpoint: vae, prefix: '', networks: ['vae-encoder', 'vae-decoder'] },
    { checkpoint: unet, prefix: 'unet.', networks: DENOISER },
    { checkpoint: controlNet, prefix: 'controlnet.', networks: DENOISER },
  ];
  for (const { checkpoint, prefix, networks } of shares) {
    const expected = new Map<string, readonly number[]>();
    for (const [name, shape] of networks.flatMap((network) => [...graphs[network]!.weights])) {
      if (name.startsWith(prefix)) expected.set(name.slice(prefix.length), shape);
    }
    checkShapes(expected, checkpoint.tensors, checkpoint.files.join(', '));
  }
  return Object.entries(graphs).map(([name, graph]) => ({
    name,
    graph,
    read: async (weight) => {
      const owners = shares.filter(({ networks, prefix }) => networks.includes(name) && weight.startsWith(prefix));
      const { checkpoint, prefix } = owners[0]!;
      return await checkpoint.read(weight.slice(prefix.length));
    },
  }));
}
