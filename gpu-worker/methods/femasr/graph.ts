import { createGraphBuilder, type Graph, type GraphOptions } from '../../graphs/onnx.ts';
import { applySteps, normalizeAlone } from '../../vae/step-graphs.ts';
import type { FemasrSizes } from './config.ts';
import { femasrParts } from './parts.ts';

/**
 * The whole network (Chen et al. 2022, figure 3): `input` [1, 3, h, w] 0..1, sides multiples of 16 for windows of 8, and
 * the inputs of `windowInputs` → `output` [1, 3, 4h, 4w], not clamped.
 */
export function femasrGraph(sizes: FemasrSizes, options?: GraphOptions): Graph {
  const graph = createGraphBuilder('femasr', options);
  const { encoder, skips, decoders } = femasrParts(sizes);
  const normalize = normalizeAlone(graph, sizes.groups);
  const input = graph.input('input', [1, 3, 'height', 'width']);
  let seen = applySteps(graph, input, encoder, normalize);
  let value = seen;
  for (const [level, decoder] of decoders.entries()) {
    value = applySteps(graph, value, decoder, normalize);
    const skip = skips[level];
    if (!skip) break;
    seen = applySteps(graph, seen, skip, normalize);
    value = graph.node('Add', [value, seen]);
  }
  graph.output('output', value, [1, 3, 'output_height', 'output_width']);
  return graph.build();
}
