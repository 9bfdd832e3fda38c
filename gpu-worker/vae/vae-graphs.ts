import { createGraphBuilder, type Graph, type GraphOptions } from '../graphs/onnx.ts';
import { applySteps, normalizeAlone, stepsInput } from './step-graphs.ts';
import { decoderSteps, encodedChannels, encoderSteps, type VaeConfig } from './vae-steps.ts';

/**
 * `image` [1, 3, H, W], −1..1 → `moments` [1, 2 · latent channels, H/8, W/8]: mean, and log variance not clamped; with a
 * codebook the latent itself, not quantized.
 */
export function vaeEncoder(config: VaeConfig, options?: GraphOptions): Graph {
  const graph = createGraphBuilder('vae_encoder', options);
  const image = graph.input('image', [1, 3, 'height', 'width']);
  const moments = applySteps(graph, image, encoderSteps(config), normalizeAlone(graph, config.norm_num_groups));
  graph.output('moments', moments, [1, encodedChannels(config), 'latent_height', 'latent_width']);
  return graph.build();
}

/**
 * `latent` [1, latent channels, h, w], divided by the scaling factor → `image` [1, 3, 8h, 8w], nominally −1..1. With a
 * codebook the latent is quantized first.
 */
export function vaeDecoder(config: VaeConfig, options?: GraphOptions): Graph {
  const graph = createGraphBuilder('vae_decoder', options);
  const steps = decoderSteps(config);
  const latent = stepsInput(graph, steps, 'latent', [1, config.latent_channels, 'latent_height', 'latent_width']);
  const image = applySteps(graph, latent, steps, normalizeAlone(graph, config.norm_num_groups));
  graph.output('image', image, [1, 3, 'height', 'width']);
  return graph.build();
}
