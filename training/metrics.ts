/** One line of metrics.jsonl. Nothing in it depends on the pace of the machine. */
export interface Metrics {
  /** Counted from 1. */
  step: number;
  loss: number;
  learningRate: number;
  /** Length of all gradients. */
  gradientNorm: number;
  /** Behind the step, in those that have one. */
  validation?: Validation;
}

/** The mean loss of the validation pairs, nothing left out by chance. */
export interface Validation {
  /** Before the first step. */
  before: number;
  now: number;
}
