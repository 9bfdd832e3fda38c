import { convolution } from '../../graphs/convolution.ts';
import { groupNorm } from '../../graphs/layers.ts';
import type { GraphBuilder, Value } from '../../graphs/onnx.ts';

interface SpadeOptions {
  channels: number;
  /** Of the feature. */
  featureChannels: number;
  hidden: number;
  groups: number;
  epsilon: number;
}

/**
 * Normalizes [1, channels, h, w], then scales and shifts it place by place as a feature of the photo says (Park et al. 2019;
 * StableSR, Wang et al. 2023, section 3.2). Its norm has a weight and a bias of its own, in spite of its name.
 * `feature` [1, featureChannels, h, w]. Tensors `name.param_free_norm`, `name.mlp_shared.0`, `name.mlp_gamma`, `name.mlp_beta`.
 */
export function spade(graph: GraphBuilder, input: Value, feature: Value, name: string, options: SpadeOptions): Value {
  const { channels, featureChannels, hidden, groups, epsilon } = options;
  const normal = groupNorm(graph, input, `${name}.param_free_norm`, { channels, groups, epsilon });
  const shared = convolution(graph, feature, `${name}.mlp_shared.0`, { from: featureChannels, to: hidden });
  const active = graph.node('Relu', [shared]);
  const [gamma, beta] = ['mlp_gamma', 'mlp_beta'].map((part) =>
    convolution(graph, active, `${name}.${part}`, { from: hidden, to: channels }),
  ) as [Value, Value];
  const scaled = graph.node('Mul', [normal, graph.node('Add', [gamma, graph.scalar(1)])]);
  return graph.node('Add', [scaled, beta]);
}
