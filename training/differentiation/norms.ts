import type { Value } from '../../gpu-worker/graphs/onnx.ts';
import { AppError } from '../../shared/error.ts';
import { absoluteAxis, type ForwardNode, type Rules, range, reshape, sum } from './forward-node.ts';

/** A value with mean 0 and variance 1 along its last axis. */
interface Normal {
  value: Value;
  /** 1 / √(variance + ε), [.., 1]. */
  inverse: Value;
}

/** Norms over the last axis, or over all places of a channel. */
export const NORMS: Rules = {
  LayerNormalization(node) {
    const [shape, scaleShape] = node.inputShapes as [readonly number[], readonly number[]];
    const last = shape.length - 1;
    if (absoluteAxis(node.attributes.integer('axis', -1), shape.length) !== last) {
      throw new AppError('invalid', `LayerNormalization over several axes has no gradient here (${node.name}).`);
    }
    const normal = once(() => normalize(node, node.input(0), shape[last]!));
    const others = range(last);
    return [
      () => inputGradient(node, times(node, node.upstream, node.input(1)), normal()),
      () => reshape(node.graph, sum(node.graph, times(node, node.upstream, normal().value), others), scaleShape),
      () => sum(node.graph, node.upstream, others),
    ];
  },

  InstanceNormalization(node) {
    const { graph } = node;
    const [shape, scaleShape] = node.inputShapes as [readonly number[], readonly number[]];
    const [batch, channels] = shape as [number, number];
    const places = shape.slice(2).reduce((product, size) => product * size, 1);
    const flat = (value: Value) => (shape.length === 3 ? value : reshape(graph, value, [batch, channels, places]));
    const upstream = once(() => flat(node.upstream));
    const normal = once(() => normalize(node, flat(node.input(0)), places));
    return [
      () => {
        const scale = reshape(graph, node.input(1), [channels, 1]);
        // As `groupNorm` of graphs/layers.ts writes it: the scale comes afterwards.
        const isOne = node.constant(1)?.every((value) => value === 1) ?? false;
        const inner = isOne ? upstream() : times(node, upstream(), scale);
        return reshape(graph, inputGradient(node, inner, normal()), shape);
      },
      () => reshape(graph, sum(graph, times(node, upstream(), normal().value), [0, 2]), scaleShape),
      () => sum(graph, upstream(), [0, 2]),
    ];
  },
};

/** Centered first: the operator takes the variance for a difference of squares, which large means would blur. */
function normalize({ graph, attributes }: ForwardNode, value: Value, size: number): Normal {
  const centered = graph.node('Sub', [value, mean({ graph }, value)]);
  const ones = graph.node('Expand', [graph.scalar(1), graph.integers([size])]);
  const epsilon = { float: attributes.float('epsilon', 1e-5) };
  const [normal, , inverse] = graph.nodes('LayerNormalization', [centered, ones], 3, { axis: -1, epsilon });
  return { value: normal!, inverse: inverse! };
}

/** (d − mean d − x̂ · mean(d · x̂)) / s: mean and variance depend on every number. */
function inputGradient(node: ForwardNode, inner: Value, { value, inverse }: Normal): Value {
  const { graph } = node;
  const centered = graph.node('Sub', [inner, mean(node, inner)]);
  const along = times(node, value, mean(node, times(node, inner, value)));
  return times(node, graph.node('Sub', [centered, along]), inverse);
}

function mean({ graph }: Pick<ForwardNode, 'graph'>, value: Value): Value {
  return graph.node('ReduceMean', [value, graph.integers([-1])], { keepdims: 1 });
}

function times({ graph }: ForwardNode, a: Value, b: Value): Value {
  return graph.node('Mul', [a, b]);
}

/** Made where it is first needed, and shared. */
function once<Made>(make: () => Made): () => Made {
  let made: { value: Made } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
