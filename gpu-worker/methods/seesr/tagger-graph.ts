import { linear } from '../../graphs/layers.ts';
import { createGraphBuilder, FULL_PRECISION, type Graph, type GraphOptions } from '../../graphs/onnx.ts';
import { type SwinConfig, swinChannels, swinTransformer } from '../../graphs/swin.ts';
import { type TagHeadConfig, tagHead } from './tag-head.ts';

export interface TaggerConfig extends SwinConfig {
  /** Width of the image embeds, and of the stored embeddings of the tags. */
  image_embed_dim: number;
  tag_head: TagHeadConfig;
  /** Number of tags. */
  tags: number;
}

/**
 * RAM (Zhang et al. 2023), which is SeeSR's DAPE when its LoRA is merged (Wu et al. 2024, section 3.2). `image` [1, 3,
 * image_size, image_size], normalized → `image_embeds` [1, 1 + tokens, image_embed_dim], `logits` [1, tags]. Computes
 * in fp32 in every flavor, as the published script does: it runs once an image, and constants can be folded in no other
 * type.
 */
export function taggerGraph(config: TaggerConfig, options: GraphOptions = {}): Graph {
  const flavor = { ...(options.flavor ?? FULL_PRECISION), compute: 'float32' } as const;
  const graph = createGraphBuilder('tagger', { ...options, flavor });
  const { image_size: side, image_embed_dim: width, tags } = config;
  const image = graph.input('image', [1, 3, side, side]);
  const tokens = swinTransformer(graph, image, 'visual_encoder', config);
  graph.probe('swin_tokens', tokens);
  const imageEmbeds = linear(graph, tokens, 'image_proj', { from: swinChannels(config), to: width });
  graph.output('image_embeds', imageEmbeds, [1, 'tokens', width]);
  graph.output('logits', tagHead(graph, imageEmbeds, config.tag_head, { width, tags }), [1, tags]);
  return graph.build();
}
