/** One line of metrics.jsonl. Nothing in it depends on the pace of the machine. */
export interface Metrics {
  /** Counted from 1. */
  step: number;
  loss: number;
  learningRate: number;
  /** Length of all gradients. */
  gradientNorm: number;
}
