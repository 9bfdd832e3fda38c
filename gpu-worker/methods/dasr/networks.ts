import { AppError } from '../../../shared/error.ts';
import type { Graph, GraphOptions } from '../../graphs/onnx.ts';
import { FULL_PRECISION } from '../../graphs/onnx.ts';
import type { Network } from '../../model-store/build-plan.ts';
import { type Checkpoint, checkShapes } from '../../weights/checkpoint.ts';
import { type DasrCheckpoints, type DasrSources, labelOf } from './checkpoints.ts';
import { generatorGraph } from './generator-graph.ts';
import { degradationGraph, mixtureGraph } from './predictor-graphs.ts';

/** In the order of their work. */
export const NETWORK_NAMES = ['degradation', 'mixture', 'generator'] as const;
export type NetworkName = (typeof NETWORK_NAMES)[number];

/**
 * The networks of DASR with their weights. Throws AppError `engine-failed` that lists the differences unless they use every
 * tensor of both files, and no other.
 */
export function dasrNetworks({ generator, predictor, sizes }: DasrCheckpoints, options: GraphOptions = {}): Network[] {
  const { flavor = FULL_PRECISION } = options;
  // Once a photo, and everything depends on it: as exact as the weights are stored.
  const exact: GraphOptions = { ...options, flavor: { ...flavor, compute: 'float32' } };
  const graphs: Record<NetworkName, Graph> = {
    degradation: degradationGraph(sizes.predictor, exact),
    mixture: mixtureGraph(sizes.predictor, exact),
    generator: generatorGraph(sizes.generator, options),
  };
  const check = (checkpoint: Checkpoint, role: keyof DasrSources, ...used: Graph[]) =>
    checkShapes(new Map(used.flatMap(({ weights }) => [...weights])), checkpoint.tensors, labelOf(checkpoint, role));
  check(generator, 'generator', graphs.generator);
  check(predictor, 'predictor', graphs.degradation, graphs.mixture);
  if (sizes.generator.experts !== sizes.predictor.experts) {
    throw new AppError(
      'engine-failed',
      `${generator.files} mixes ${sizes.generator.experts} experts, ${predictor.files} weighs ${sizes.predictor.experts}: they do not belong together.`,
    );
  }
  return NETWORK_NAMES.map((name) => ({
    name,
    graph: graphs[name],
    read: (name === 'generator' ? generator : predictor).read,
  }));
}
