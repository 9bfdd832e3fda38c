import { convolution } from '../../graphs/convolution.ts';
import { linear } from '../../graphs/layers.ts';
import { createGraphBuilder, type Graph, type GraphOptions } from '../../graphs/onnx.ts';

/** Predictor of DASR (Liang et al. 2022, `Degradation_Predictor`): convolutions, the mean over the photo, two linear layers. */

export interface PredictorSizes {
  features: number;
  /** Of the degradation. */
  values: number;
  /** Between the two linear layers. */
  hidden: number;
  experts: number;
}

const COLORS = 3;
const KERNEL = 5;
const LEAKY_SLOPE = 0.2;
const CONVOLUTIONS = 6;
const HALVING = 3;

/** Pixels of the photo, along each axis, for a position of the map that `degradationGraph` puts out. */
export const MAP_STRIDE = 2;
/** Pixels around a pixel of the photo that its position of the map sees: two for each convolution, twice as many after the halving. */
export const MAP_CONTEXT = 16;

/** `input` [1, 3, h, w] 0..1 → `degradation` [1, values, ⌈h/2⌉, ⌈w/2⌉], whose mean over the photo is what is wrong with it. */
export function degradationGraph({ features, values }: PredictorSizes, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('dasr-degradation', options);
  let value = graph.input('input', [1, COLORS, 'height', 'width']);
  for (let layer = 0; layer < CONVOLUTIONS; layer++) {
    value = convolution(graph, value, `ConvNet.${2 * layer}`, {
      from: layer === 0 ? COLORS : features,
      to: layer === CONVOLUTIONS - 1 ? values : features,
      kernel: KERNEL,
      stride: layer === HALVING ? MAP_STRIDE : 1,
    });
    value = graph.node('LeakyRelu', [value], { alpha: LEAKY_SLOPE });
    graph.probe(`block_conv${layer}`, value);
  }
  graph.output('degradation', value, [1, values, 'map_height', 'map_width']);
  return graph.build();
}

/** `degradation` [1, values] of the whole photo → `mixture` [1, experts]: any numbers, whose sum is not 1. */
export function mixtureGraph({ values, hidden, experts }: PredictorSizes, options: GraphOptions = {}): Graph {
  const graph = createGraphBuilder('dasr-mixture', options);
  const degradation = graph.input('degradation', [1, values]);
  const between = linear(graph, degradation, 'MappingNet.0', { from: values, to: hidden });
  graph.output('mixture', linear(graph, between, 'MappingNet.1', { from: hidden, to: experts }), [1, experts]);
  return graph.build();
}
