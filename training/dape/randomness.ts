import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { elementCount, type Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { alterValue, findBiased } from '../alter-graph.ts';
import { dropShares } from './drop-shares.ts';
import { headLayers, type SizedTagger, swinBlocks } from './layers.ts';

const DROP_PATH_RATE = 0.1;
const DROPOUT_RATE = 0.1;

/** Something of the student that is left out by chance: an input that a value is multiplied by. */
export interface RandomFactor {
  /** Of the input. */
  name: string;
  /** The layer behind which it stands, or whose attention has its shares masked. */
  layer: string;
  of: 'output' | 'shares';
  shape: readonly number[];
  /** Probability that a factor is 0; others are 1 / (1 − rate). */
  rate: number;
}

/**
 * As published: of block i of n both branches are left out at a rate of 0.1·i/(n − 1) (drop path), and of the tag head shares of
 * attention and outputs of dense layers, each number for itself, at 0.1.
 */
export function dapeRandomFactors(config: SizedTagger): RandomFactor[] {
  const blocks = swinBlocks(config);
  const paths = blocks.flatMap(({ name }, index) => {
    const rate = (DROP_PATH_RATE * index) / Math.max(1, blocks.length - 1);
    return ['attn.proj', 'mlp.fc2'].map((part) => factor(`${name}.${part}`, 'output', [1], rate));
  });
  const { hidden_size: width, heads } = config.tag_head;
  const tags = config.tagCount;
  const side = config.image_size / config.patch_size / 2 ** (config.depths.length - 1);
  const head = headLayers(config).flatMap((name) => [
    factor(`${name}.crossattention.output.dense`, 'shares', [1, heads, tags, side ** 2 + 1], DROPOUT_RATE),
    factor(`${name}.crossattention.output.dense`, 'output', [1, tags, width], DROPOUT_RATE),
    factor(`${name}.output.dense`, 'output', [1, tags, width], DROPOUT_RATE),
  ]);
  return [...paths.filter(({ rate }) => rate > 0), ...head];
}

/** Puts the factors into the student. Changes the graph. */
export function addRandomFactors(graph: Graph, factors: readonly RandomFactor[]): void {
  for (const { name, layer, of, shape } of factors) {
    if (of === 'shares') dropShares(graph, layer, name, shape);
    else {
      const value = findBiased(graph, layer);
      alterValue(graph, value, `drop/${name}`, (builder) => builder.node('Mul', [value, name]), { [name]: shape });
    }
  }
}

/** Draws all factors of one pass. `uniform`: 0 ≤ x < 1. */
export function drawFactors(factors: readonly RandomFactor[], uniform: () => number): Record<string, Tensor> {
  const tensors = factors.map(({ name, shape, rate }) => {
    const data = Float32Array.from({ length: elementCount(shape) }, () => (uniform() < rate ? 0 : 1 / (1 - rate)));
    return [name, { data, shape }] as const;
  });
  return Object.fromEntries(tensors);
}

/** Factors of one pass in which nothing is left out. */
export function wholeFactors(factors: readonly RandomFactor[]): Record<string, Tensor> {
  return Object.fromEntries(
    factors.map(({ name, shape }) => [name, { data: new Float32Array(elementCount(shape)).fill(1), shape }]),
  );
}

function factor(layer: string, of: RandomFactor['of'], shape: readonly number[], rate: number): RandomFactor {
  return { name: `${of} of ${layer}`, layer, of, shape, rate };
}
