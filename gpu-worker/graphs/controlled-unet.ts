import { convolution } from './convolution.ts';
import { createGraphBuilder, type Graph, type GraphBuilder, type GraphOptions, type Value } from './onnx.ts';
import { addResiduals, decodeUnet, encodeUnet, type Feature, type RunLayer, unetOutput } from './unet.ts';
import { conditionedLayers, unpackConditions } from './unet-conditions.ts';
import { allLayers, type ControlledConfig, decoderLayout, encoderLayout } from './unet-layout.ts';

interface ControlledOptions extends GraphOptions {
  /** Layers of the decoder that do more, for example with the `residuals` of ControlNet at each of the skip tensors. */
  decoderLayers?(graph: GraphBuilder, run: RunLayer, residuals: readonly Feature[]): RunLayer;
}

/**
 * One step of a UNet that a ControlNet steers (Zhang et al. 2023): ControlNet looks at latent and photo, the UNet at the
 * latent, with the contexts in both, and the prediction comes out.
 *
 * `latent` [1 or batch, c, h, w], any h and w from 1; `time` [1, ..], one row of the time graph; `KIND_context` of the
 * context graph, `text_context` [batch, ..]; `stem` [1, C, h, w]: what ControlNet sees of the photo, added to its first
 * convolution; `conditioning_scale` [1], the weight of ControlNet → `eps` [batch, c, h, w]. For guidance the batch has
 * two texts; one latent serves both, and the layers before the first look at the text are then computed once.
 */
export function controlledUnet(config: ControlledConfig, options: ControlledOptions = {}): Graph {
  const graph = createGraphBuilder('denoiser', options);
  const { unet, controlNet, contexts } = config;
  const [inputChannels, channels] = [unet.in_channels, unet.block_out_channels[0]!];
  const latent = graph.input('latent', ['latent_batch', inputChannels, 'height', 'width']);
  const conditions = unpackConditions(graph, allLayers(config), contexts);
  const stem = graph.input('stem', [1, channels, 'height', 'width']);
  const scale = graph.input('conditioning_scale', [1]);

  const first = { from: inputChannels, to: channels };
  const encode = (input: Value, net: string, netConfig: typeof controlNet, probes: string) => {
    const layers = conditionedLayers(graph, netConfig, conditions, { grows: true });
    return encodeUnet(graph, input, encoderLayout(net, netConfig, contexts), { layers, probes });
  };
  const seen = graph.node('Add', [convolution(graph, latent, 'controlnet.conv_in', first), stem]);
  const control = encode(seen, 'controlnet', controlNet, 'control');
  const own = encode(convolution(graph, latent, 'unet.conv_in', first), 'unet', unet, 'block');
  const steered = addResiduals(graph, own, control, scale);
  const { run } = conditionedLayers(graph, unet, conditions, { grows: false });
  const runMore = options.decoderLayers?.(graph, run, steered.residuals) ?? run;
  const output = decodeUnet(graph, steered, decoderLayout('unet', unet, contexts), runMore);
  const eps = unetOutput(graph, output, unet);
  graph.output('eps', eps, ['batch', unet.out_channels, 'height', 'width']);
  return graph.build();
}
