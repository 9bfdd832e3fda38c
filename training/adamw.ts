/** Settings of AdamW, under PyTorch's names in the formulas: β₁, β₂, ε, weight decay. */
export interface AdamWSettings {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

/** What AdamW remembers of one trained tensor. */
export interface Moments {
  /** Averages of the gradient and of its square. */
  first: Float32Array;
  second: Float32Array;
  /** Steps in which the tensor had a gradient. */
  steps: number;
}

export function startMoments(size: number): Moments {
  return { first: new Float32Array(size), second: new Float32Array(size), steps: 0 };
}

/**
 * One step of AdamW (Loshchilov and Hutter 2019, algorithm 2, in PyTorch's order) on one tensor and its moments, in place. A
 * tensor without a gradient is not handed in: it neither decays nor counts a step. `factor`: of the gradient, see `clipFactor`.
 */
export function stepAdamW(
  values: Float32Array,
  gradient: Float32Array,
  moments: Moments,
  {
    beta1,
    beta2,
    epsilon,
    weightDecay,
    learningRate,
    factor = 1,
  }: AdamWSettings & { learningRate: number; factor?: number },
): void {
  const { first, second } = moments;
  moments.steps++;
  const stepSize = learningRate / (1 - beta1 ** moments.steps);
  const root = Math.sqrt(1 - beta2 ** moments.steps);
  const kept = 1 - learningRate * weightDecay;
  for (let index = 0; index < values.length; index++) {
    const slope = factor * gradient[index]!;
    const mean = first[index]! + (1 - beta1) * (slope - first[index]!);
    const square = beta2 * second[index]! + (1 - beta2) * slope * slope;
    first[index] = mean;
    second[index] = square;
    values[index] = kept * values[index]! - (stepSize * mean) / (Math.sqrt(square) / root + epsilon);
  }
}

/** The length of all gradients together. */
export function gradientNorm(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients) for (const value of gradient) sum += value * value;
  return Math.sqrt(sum);
}

/** Shortens gradients of that length to at most `largest`, as PyTorch does. */
export function clipFactor(norm: number, largest: number): number {
  return Math.min(1, largest / (norm + 1e-6));
}
