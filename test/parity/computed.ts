/** What was computed for a case. */
export interface Computed {
  /** Whole tensors by the name of the output; more than are recorded does no harm. */
  outputs: Record<string, { data: ArrayLike<number>; shape: readonly number[] }>;
  /** What has to be equal beside them. */
  facts?: readonly Fact[];
  /** Outputs that are no tensors, and that the facts speak of. */
  covers?: readonly string[];
}

export interface Fact {
  name: string;
  actual: unknown;
  expected: unknown;
}
