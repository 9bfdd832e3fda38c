import type { Graph } from '../graphs/onnx.ts';
import { type Checkpoint, checkShapes } from '../weights/checkpoint.ts';
import type { Network } from './build-plan.ts';

/** One checkpoint and the graphs that share it out among them. */
export interface Share {
  checkpoint: Checkpoint;
  /** The prefix of its names in the graphs. */
  prefix: string;
  networks: readonly string[];
}

/**
 * Every graph with its weights. Throws AppError `engine-failed` that lists the differences unless the graphs use every
 * tensor of every checkpoint, and no other.
 */
export function shareOut(graphs: Readonly<Record<string, Graph>>, shares: readonly Share[]): Network[] {
  for (const { checkpoint, prefix, networks } of shares) {
    const expected = new Map<string, readonly number[]>();
    for (const [name, shape] of networks.flatMap((network) => [...graphs[network]!.weights])) {
      if (name.startsWith(prefix)) expected.set(name.slice(prefix.length), shape);
    }
    checkShapes(expected, checkpoint.tensors, checkpoint.files.join(', '));
  }
  return Object.entries(graphs).map(([name, graph]) => ({
    name,
    graph,
    read: async (weight) => {
      const owners = shares.filter(({ networks, prefix }) => networks.includes(name) && weight.startsWith(prefix));
      const { checkpoint, prefix } = owners[0]!;
      return await checkpoint.read(weight.slice(prefix.length));
    },
  }));
}
