import type { TaggerConfig } from '../../gpu-worker/weights/diffusers-configs.ts';
import type { LoraLayer } from '../lora-layers.ts';

/** Sizes of a tagger, the number of its tags among them. */
export type SizedTagger = TaggerConfig & { tagCount: number };

interface SwinBlock {
  name: string;
  channels: number;
}

export function swinBlocks({ depths, embed_dim }: TaggerConfig): SwinBlock[] {
  return depths.flatMap((depth, stage) => {
    return Array.from({ length: depth }, (_, block) => {
      return { name: `visual_encoder.layers.${stage}.blocks.${block}`, channels: embed_dim * 2 ** stage };
    });
  });
}

/** Layers of the tag head. */
export function headLayers({ tag_head }: TaggerConfig): string[] {
  return Array.from({ length: tag_head.layers }, (_, layer) => `tagging_head.encoder.layer.${layer}`);
}

/**
 * The layers that are trained, as published: queries and values of every Swin block, queries and keys of the tag head. The
 * pairs of the tag encoder, which share matrices with the tag head when they are merged, have no part in training.
 */
export function dapeLoraLayers(config: TaggerConfig): LoraLayer[] {
  const { lora_rank: rank, lora_alpha: alpha, tag_head, image_embed_dim } = config;
  const common = { rank, scale: alpha / rank };
  const blocks = swinBlocks(config).map(({ name, channels }): LoraLayer => {
    return { ...common, name: `${name}.attn.qkv`, from: channels, to: 3 * channels, kind: 'query-value' };
  });
  const to = tag_head.hidden_size;
  const head = headLayers(config).flatMap((name): LoraLayer[] => [
    { ...common, name: `${name}.crossattention.self.query`, from: to, to },
    { ...common, name: `${name}.crossattention.self.key`, from: image_embed_dim, to },
  ]);
  return [...blocks, ...head];
}
