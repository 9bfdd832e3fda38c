import { linear } from '../../graphs/layers.ts';
import { createGraphBuilder, type Graph, type GraphOptions } from '../../graphs/onnx.ts';
import { timeEmbedding } from '../../graphs/unet-conditions.ts';
import { stablesrLayers } from './denoiser-graph.ts';
import type { Networks } from './sizes.ts';

/**
 * `sinusoids` [steps, C] of the timesteps for the UNet, `photo_sinusoids` [steps, C'] for the time-aware encoder, C and C' the
 * first of their block channels → `time` [steps, sum of channels]: what the time adds in every residual block of both.
 */
export function timeGraph(networks: Networks, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('time', options);
  const { unet, timeAware } = networks;
  const input = (name: string, width: number) => graph.input(name, ['steps', width]);
  const embeddings = {
    unet: timeEmbedding(graph, input('sinusoids', unet.block_out_channels[0]!), 'unet', unet),
    structcond: timeEmbedding(
      graph,
      input('photo_sinusoids', timeAware.block_out_channels[0]!),
      'structcond',
      timeAware,
    ),
  };
  const parts = stablesrLayers(networks).map(({ resnet: { name, to } }) => {
    const { value, size } = name.startsWith('unet.') ? embeddings.unet : embeddings.structcond;
    return linear(graph, value, `${name}.time_emb_proj`, { from: size, to });
  });
  graph.output('time', graph.node('Concat', parts, { axis: -1 }), ['steps', 'time']);
  return graph.build();
}
