import { convolution } from '../../graphs/convolution.ts';
import { createGraphBuilder, type Graph, type GraphOptions } from '../../graphs/onnx.ts';
import { qkvAttention } from '../../graphs/qkv-attention.ts';
import { resnetBlock } from '../../graphs/resnet-block.ts';
import { decodeUnet, encodeUnet, type RunLayer, unetOutput } from '../../graphs/unet.ts';
import { unpackTimes } from '../../graphs/unet-conditions.ts';
import { allLayers, type DenoiserConfig, decoderLayout, encoderLayout } from '../../graphs/unet-layout.ts';

/**
 * One step of LDM-SR: `latent` and `photo` [1, 3, h, w] each, −1..1, and `time` [1, ..], one row of the time graph →
 * `eps` [1, 3, h, w], the noise in the latent.
 */
export function ldmDenoiser(config: DenoiserConfig, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('denoiser', options);
  const { unet, contexts } = config;
  const { out_channels: colors, in_channels: from, norm_num_groups: groups, norm_eps: epsilon } = unet;
  const latent = graph.input('latent', [1, colors, 'height', 'width']);
  const photo = graph.input('photo', [1, from - colors, 'height', 'width']);
  const time = unpackTimes(graph, allLayers(config));
  const run: RunLayer = (value, { resnet, transformers }) => {
    const { name, ...sizes } = resnet;
    const timed = resnetBlock(graph, value, name, { ...sizes, groups, epsilon, time: time.get(name)! });
    return transformers.reduce((sum, one) => qkvAttention(graph, sum, one.name, { ...one, groups, epsilon }), timed);
  };
  const both = graph.node('Concat', [latent, photo], { axis: 1 });
  const first = convolution(graph, both, 'unet.conv_in', { from, to: unet.block_out_channels[0]! });
  const encoded = encodeUnet(graph, first, encoderLayout('unet', unet, contexts), { layers: { run }, probes: 'block' });
  const decoded = decodeUnet(graph, encoded, decoderLayout('unet', unet, contexts), run);
  graph.output('eps', unetOutput(graph, decoded, unet), [1, colors, 'height', 'width']);
  return graph.build();
}
