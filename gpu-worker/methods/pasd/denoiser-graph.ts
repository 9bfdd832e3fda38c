import { controlledUnet } from '../../graphs/controlled-unet.ts';
import type { Graph, GraphBuilder, GraphOptions, Value } from '../../graphs/onnx.ts';
import { crossAttentionContext, transformerBlock } from '../../graphs/transformer-block.ts';
import type { Feature } from '../../graphs/unet.ts';
import type { ControlledConfig } from '../../graphs/unet-layout.ts';

/**
 * One step of PASD, see `controlledUnet`: every layer of the decoder also looks at what ControlNet adds to the skip tensor
 * that it takes in, pixel by pixel (PACA: Yang et al. 2024, section 3.3).
 */
export function pasdDenoiser(config: ControlledConfig, options: GraphOptions = {}): Graph {
  return controlledUnet(config, {
    ...options,
    decoderLayers: (graph, run, residuals) => (value, layer, skip) => {
      const place = /^unet\.up_blocks\.(\d+)\.resnets\.(\d+)$/.exec(layer.resnet.name)!;
      const [block, index] = [Number(place[1]), Number(place[2])];
      graph.probe(`up${block}_resnet${index}`, () => run(value, { ...layer, transformers: [] }, skip));
      const told = run(value, layer, skip);
      if (layer.transformers.length > 0) graph.probe(`up${block}_text${index}`, told);
      const seen = pixelAttention(graph, told, `unet.up_blocks.${block}.pixel_attentions.${index}`, {
        channels: layer.resnet.to,
        heads: headsOf(config, block),
        groups: config.unet.norm_num_groups,
        residual: residuals[skip!]!,
      });
      graph.probe(`up${block}_pixel${index}`, seen);
      return seen;
    },
  });
}

interface PixelOptions {
  channels: number;
  heads: number;
  groups: number;
  /** Of ControlNet, times its weight: [batch, C, h, w]. */
  residual: Feature;
}

/** A transformer whose context are the pixels of a residual. */
function pixelAttention(
  graph: GraphBuilder,
  input: Value,
  name: string,
  { channels, heads, groups, residual }: PixelOptions,
): Value {
  const flat = graph.node('Reshape', [residual.value, graph.integers([0, 0, -1])]);
  const pixels = graph.node('Transpose', [flat], { perm: [0, 2, 1] });
  const context = crossAttentionContext(graph, pixels, name, { from: residual.channels, to: channels });
  return transformerBlock(graph, input, name, { channels, heads, groups, context });
}

/** Of a block of the decoder, whose first is the deepest. */
function headsOf({ unet: { attention_head_dim: heads } }: ControlledConfig, block: number): number {
  return typeof heads === 'number' ? heads : heads.at(-1 - block)!;
}
