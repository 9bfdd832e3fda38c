import { createGraphBuilder, type Graph, type GraphOptions } from '../../graphs/onnx.ts';
import { applySteps } from '../../vae/step-graphs.ts';
import { type SwinirSizes, swinirParts } from './swinir-parts.ts';

/**
 * `input` [1, 3, h, w] 0..1, sides multiples of a window's, and the inputs of `windowInputs` → `output` of that shape, not
 * clamped.
 */
export function swinirGraph(sizes: SwinirSizes, options?: GraphOptions): Graph {
  const graph = createGraphBuilder('swinir', options);
  const { head, trunk, tail } = swinirParts(sizes);
  const noNorm = () => {
    throw new RangeError('SwinIR has no norms over the picture.');
  };
  const shallow = applySteps(graph, graph.input('input', [1, 3, 'height', 'width']), head, noNorm);
  const deep = graph.node('Add', [applySteps(graph, shallow, trunk, noNorm), shallow]);
  graph.output('output', applySteps(graph, deep, tail, noNorm), [1, 3, 'height', 'width']);
  return graph.build();
}
