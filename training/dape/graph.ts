import type { Graph, GraphOptions } from '../../gpu-worker/graphs/onnx.ts';
import { taggerGraph } from '../../gpu-worker/methods/seesr/tagger-graph.ts';
import { joinGraphs, withNames } from '../join-graphs.ts';
import { addLora, type LoraLayer } from '../lora-layers.ts';
import type { SizedTagger } from './layers.ts';
import { dapeLoss, STUDENT, TEACHER } from './loss.ts';
import { addRandomFactors, type RandomFactor } from './randomness.ts';

/** Inputs: the pictures as the tagger takes them, [1, 3, side, side]. */
export const PICTURES = { degraded: 'degraded', good: 'good' } as const;

interface DapeGraphOptions extends Pick<GraphOptions, 'probes'> {
  lambda: number;
  layers: readonly LoraLayer[];
  /** Of the student; default: nothing is left to chance. */
  factors?: readonly RandomFactor[];
}

/**
 * Student and teacher of DAPE's training (Wu et al. 2024, section 3.2) with their loss: plain RAM sees the good picture, RAM with
 * pairs of LoRA, which are inputs, the degraded one. Both share the weights.
 */
export function dapeTrainingGraph(
  config: SizedTagger,
  { lambda, layers, factors = [], probes }: DapeGraphOptions,
): Graph {
  const sizes = { ...config, tags: config.tagCount };
  const student = withNames(taggerGraph(sizes, { prefix: '/student', ...(probes && { probes }) }), {
    image: PICTURES.degraded,
    ...STUDENT,
  });
  addLora(student, layers);
  addRandomFactors(student, factors);
  const teacher = withNames(taggerGraph(sizes, { prefix: '/teacher' }), { image: PICTURES.good, ...TEACHER });
  const loss = dapeLoss({ lambda, width: config.image_embed_dim, tags: config.tagCount });
  return joinGraphs('dape training', [teacher, student, loss]);
}
