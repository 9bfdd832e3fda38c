import { convolution } from '../../graphs/convolution.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from '../../graphs/onnx.ts';
import { resnetBlock } from '../../graphs/resnet-block.ts';
import { transformerBlock } from '../../graphs/transformer-block.ts';
import { decodeUnet, encodeUnet, type RunLayer, unetOutput } from '../../graphs/unet.ts';
import { type Conditions, unpackConditions } from '../../graphs/unet-conditions.ts';
import { allLayers, decoderLayout, encoderLayout, type Layer, type Stage } from '../../graphs/unet-layout.ts';
import type { Networks } from './sizes.ts';
import { spade } from './spade.ts';
import { timeAwareFeatures, timeAwareLayout } from './time-aware-encoder.ts';

/** All layers that the time acts on, in the order in which their parts lie in the packed inputs. */
export function stablesrLayers(networks: Networks): Layer[] {
  const { encoder, transforms } = timeAwareLayout(networks.timeAware);
  const stages = [...encoder.down, encoder.mid];
  return [...stages.flatMap(({ layers }) => layers), ...transforms, ...allLayers(networks)];
}

/**
 * One step of StableSR (Wang et al. 2023, figure 2): the time-aware encoder looks at the photo, the UNet at the sample, and
 * its residual blocks are modulated by what the encoder saw. Sides are multiples of 8.
 *
 * `latent` and `photo` [1, 4, h, w]: sample and photo; `time` [1, ..] one row of the time graph; `text_context` [1, tokens,
 * ..] of the context graph → `eps` [1, 4, h, w]: the noise in the sample, or its velocity.
 */
export function denoiserGraph(networks: Networks, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('denoiser', options);
  const { unet, timeAware } = networks;
  const [latent, photo] = [
    graph.input('latent', [1, unet.in_channels, 'height', 'width']),
    graph.input('photo', [1, timeAware.in_channels, 'height', 'width']),
  ];
  const conditions = unpackConditions(graph, stablesrLayers(networks), networks.contexts);
  const features = timeAwareFeatures(graph, photo, timeAware, conditions.time);
  const eps = modulatedUnet(graph, latent, features, networks, conditions);
  graph.output('eps', eps, [1, unet.out_channels, 'height', 'width']);
  return graph.build();
}

/** The UNet. `features`: of the photo, from fine to coarse, one for each resolution. */
export function modulatedUnet(
  graph: GraphBuilder,
  latent: Value,
  features: readonly Value[],
  { unet, contexts, timeAware, spadeHidden }: Networks,
  { time, context }: Pick<Conditions, 'time' | 'context'>,
): Value {
  const { norm_num_groups: groups, norm_eps: epsilon } = unet;
  const encoder = encoderLayout('unet', unet, contexts);
  const decoder = decoderLayout('unet', unet, contexts);
  const featureOf = featuresByBlock(encoder.down, [encoder.mid], decoder, features);
  const run: RunLayer = (input, { resnet, transformers }) => {
    const { name, from, to } = resnet;
    const modulation = { channels: to, featureChannels: timeAware.out_channels, hidden: spadeHidden, groups, epsilon };
    let value = resnetBlock(graph, input, name, {
      ...{ from, to, groups, epsilon, time: time.get(name)! },
      modulate: (change) => spade(graph, change, featureOf.get(name)!, `${name}.spade`, modulation),
    });
    for (const { name: transformer, channels, heads } of transformers)
      value = transformerBlock(graph, value, transformer, {
        ...{ channels, heads, groups, context: context.get(transformer)! },
      });
    return value;
  };
  const sizes = { from: unet.in_channels, to: unet.block_out_channels[0]! };
  const first = convolution(graph, latent, 'unet.conv_in', sizes);
  const encoded = encodeUnet(graph, first, encoder, { layers: { run }, probes: 'block' });
  return unetOutput(graph, decodeUnet(graph, encoded, decoder, run), unet);
}

/** By the name of the residual block: the feature of its resolution. */
function featuresByBlock(
  down: readonly Stage[],
  mid: readonly Stage[],
  up: readonly Stage[],
  features: readonly Value[],
): Map<string, Value> {
  const found = new Map<string, Value>();
  const add = (stages: readonly Stage[], own: readonly Value[]) => {
    for (const [index, { layers }] of stages.entries())
      for (const { resnet } of layers) found.set(resnet.name, own[index]!);
  };
  add(down, features);
  add(mid, features.slice(-1));
  add(up, features.toReversed());
  return found;
}
