import { createGraphBuilder, type Graph, type GraphOptions } from '../../graphs/onnx.ts';
import { applySteps, normalizeAlone } from '../../vae/step-graphs.ts';
import { type WrappedConfig, type WrappedParts, wrappedParts } from './wrapped-steps.ts';

/**
 * `image` [1, 3, H, W], −1..1 → `feature_0`, `feature_1`, …, from fine to coarse: [1, c, H/2, W/2], [1, c, H/4, W/4], …, and
 * `moments` [1, 2 · latent channels, H/8, W/8]: mean, and log variance not clamped.
 */
export function wrappedEncoder(config: WrappedConfig, options?: GraphOptions): Graph {
  const graph = createGraphBuilder('wrapped_encoder', options);
  const { encoder } = wrappedParts(config);
  let value = graph.input('image', [1, 3, 'height', 'width']);
  for (const [index, steps] of encoder.entries()) {
    value = applySteps(graph, value, steps, normalizeAlone(graph, config.norm_num_groups));
    graph.output(index < encoder.length - 1 ? `feature_${index}` : 'moments', value);
  }
  return graph.build();
}

/**
 * `latent` [1, latent channels, h, w], divided by the scaling factor, the features of the encoder, and `weight` [1] of the
 * fusions, 0 for none → `image` [1, 3, 8h, 8w], nominally −1..1. Probes: `fusion0`, `fusion1`, …, and those of its
 * `parts`.
 */
export function wrappedDecoder(
  config: WrappedConfig,
  options?: GraphOptions,
  { decoder, fusions }: Pick<WrappedParts, 'decoder' | 'fusions'> = wrappedParts(config),
): Graph {
  const graph = createGraphBuilder('wrapped_decoder', options);
  const normalize = normalizeAlone(graph, config.norm_num_groups);
  const weight = graph.input('weight', [1]);
  let value = graph.input('latent', [1, config.latent_channels, 'latent_height', 'latent_width']);
  for (const [index, steps] of decoder.entries()) {
    value = applySteps(graph, value, steps, normalize);
    const fusion = fusions[index];
    if (!fusion) break;
    const sides = ['height', 'width'].map((side) => `${side}_${fusion.feature}`);
    const feature = graph.input(`feature_${fusion.feature}`, [1, fusion.channels, ...sides]);
    const both = graph.node('Concat', [feature, value], { axis: 1 });
    const change = applySteps(graph, both, fusion.steps, normalize);
    value = graph.node('Add', [value, graph.node('Mul', [change, weight])]);
    graph.probe(`fusion${index}`, value);
  }
  graph.output('image', value, [1, 3, 'height', 'width']);
  return graph.build();
}
