/**
 * The required outcome of the file: the tensors that it had, bit for bit; a refusal; or one of both and also other
 * tensors, made of numbers that stand in the file.
 */
export type Expected = 'same' | 'refused' | 'either';

export type WeightMutations = Record<string, { expected: Expected; make(random: () => number): Buffer }>;

/** Numbers at which sizes overflow, wrap, or become negative. */
export const EDGES = [0, 1, 2, 7, 255, 256, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** A whole number from 0 to before `end`. */
export function below(end: number, random: () => number): number {
  return Math.floor(random() * end);
}
