import { convolution, nearestUpsampling } from '../../../gpu-worker/graphs/convolution.ts';
import { createGraphBuilder, type Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnet } from '../../../gpu-worker/graphs/rrdbnet.ts';
import type { RealEsrganId } from '../../../shared/methods/real-esrgan.ts';

const FEATURES = 64;
const CONVOLUTIONS = 32;
const SCALE = 4;

/** The network as its authors' code exports it: operators of ONNX alone, nothing made faster. */
export function publishedGraph(model: RealEsrganId): Graph {
  return model === 'real-esrgan' ? rrdbnet(REAL_ESRGAN_X4PLUS) : publishedSrvgg();
}

function publishedSrvgg(): Graph {
  const graph = createGraphBuilder('srvgg');
  const input = graph.input('input', ['batch', 3, 'height', 'width']);
  let value = input;
  for (let index = 0; index <= CONVOLUTIONS; index++) {
    value = convolution(graph, value, `body.${2 * index}`, { from: index === 0 ? 3 : FEATURES, to: FEATURES });
    const slopes = graph.weight(`body.${2 * index + 1}.weight`, [FEATURES]);
    value = graph.node('PRelu', [value, graph.node('Unsqueeze', [slopes, graph.integers([1, 2])])]);
  }
  value = convolution(graph, value, `body.${2 * CONVOLUTIONS + 2}`, { from: FEATURES, to: 3 * SCALE ** 2 });
  value = graph.node('DepthToSpace', [value], { blocksize: SCALE, mode: 'CRD' });
  graph.output('output', graph.node('Add', [value, nearestUpsampling(graph, input, SCALE)]));
  return graph.build();
}
