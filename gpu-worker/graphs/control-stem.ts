import { convolution } from './convolution.ts';
import { silu } from './layers.ts';
import { createGraphBuilder, type Graph, type GraphOptions } from './onnx.ts';
import type { EncoderConfig } from './unet-layout.ts';

/** Fields of diffusers' config.json of a ControlNet, under their names there. */
export interface StemConfig extends EncoderConfig {
  conditioning_embedding_out_channels: readonly number[];
}

/**
 * The pixels that ControlNet is shown: `condition` [1, 3, 8h, 8w], RGB 0..1 → `stem` [1, C, h, w], C the first of its
 * block channels. The same for all steps.
 */
export function stemGraph(controlNet: StemConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('stem', options);
  const name = 'controlnet.controlnet_cond_embedding';
  const sizes = controlNet.conditioning_embedding_out_channels;
  const condition = graph.input('condition', [1, 3, 'height', 'width']);
  let value = silu(graph, convolution(graph, condition, `${name}.conv_in`, { from: 3, to: sizes[0]! }));
  for (const [index, to] of sizes.slice(1).entries()) {
    const from = sizes[index]!;
    value = silu(graph, convolution(graph, value, `${name}.blocks.${2 * index}`, { from, to: from }));
    value = silu(graph, convolution(graph, value, `${name}.blocks.${2 * index + 1}`, { from, to, stride: 2 }));
  }
  const to = controlNet.block_out_channels[0]!;
  value = convolution(graph, value, `${name}.conv_out`, { from: sizes.at(-1)!, to });
  graph.output('stem', value, [1, to, 'latent_height', 'latent_width']);
  return graph.build();
}
