import type { TensorEntry } from './checkpoint.ts';

/** Facts of a network from the tensors of its compact file (SRVGGNetCompact). */
export interface CompactFacts {
  in: number;
  features: number;
  /** Between the first and the last. */
  convolutions: number;
  /** Channels of the last output, before the pixel shuffle. */
  out: number;
}

const LAYER = /^body\.(\d+)\.(?:weight|bias)$/;

/** No other network has its layers in one sequence of this name. */
export function isCompact(names: Iterable<string>): boolean {
  return [...names].some((name) => LAYER.test(name));
}

/** Number of the last layer, a convolution: those have even numbers, slopes of PReLU odd ones. */
function lastLayer(names: Iterable<string>): number {
  let highest = 0;
  for (const name of names) highest = Math.max(highest, Number(LAYER.exec(name)?.[1] ?? 0));
  return 2 * Math.ceil(highest / 2);
}

/**
 * Reads the sizes off names and shapes. Where tensors are missing or contradict each other these are the sizes of a
 * network that comes near.
 */
export function compactFacts(tensors: ReadonlyMap<string, TensorEntry>): CompactFacts {
  const last = lastLayer(tensors.keys());
  const shape = (layer: number) => tensors.get(`body.${layer}.weight`)?.shape;
  return {
    in: shape(0)?.[1] ?? 3,
    features: shape(0)?.[0] ?? shape(1)?.[0] ?? 64,
    convolutions: Math.max(0, last / 2 - 1),
    out: shape(last)?.[0] ?? 3,
  };
}
