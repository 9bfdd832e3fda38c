/** The computed values of a case. */
export interface Computed {
  /** Whole tensors by the name of the output; more than are recorded does no harm. */
  outputs: Record<string, { data: ArrayLike<number>; shape: readonly number[] }>;
  /** The facts that have to be equal beside them. */
  facts?: readonly Fact[];
  /** Outputs that are no tensors, and that the facts speak of. */
  covers?: readonly string[];
}

export interface Fact {
  name: string;
  actual: unknown;
  expected: unknown;
  /** The allowed difference of two numbers; without it both have to be equal. */
  tolerance?: number;
}
