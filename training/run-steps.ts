import type { Tensor } from '../gpu-worker/tensor/tensor.ts';
import { AppError } from '../shared/error.ts';
import { isOutOfMemory } from '../shared/out-of-memory.ts';
import type { Metrics } from './metrics.ts';
import type { TrainingNetwork } from './network.ts';
import type { RunDirectory } from './run-directory.ts';
import type { Schedule } from './schedules.ts';
import { meanGradients, type Trainer } from './trainer.ts';

interface StepsOptions {
  network: TrainingNetwork;
  trainer: Trainer;
  /** What the network takes beside the trained tensors; `turn`: of the item, counted from 0 over all steps. */
  inputs(turn: number): Promise<Record<string, Tensor>>;
  rateOf: Schedule;
  steps: number;
  /** Items of a step: they are computed one by one. */
  batch: number;
  /** Of the steps that are done; it grows. */
  metrics: Metrics[];
  directory: RunDirectory;
  /** Steps between two saves. */
  saveEvery: number;
  /** What is measured behind a step beside it; default: nothing. */
  validate?(step: number): Promise<Pick<Metrics, 'validation'>>;
  onStep(metrics: Metrics): void;
}

/**
 * All steps of a training that are left. Throws AppError `invalid` for a loss or a gradient that is no number, and
 * `out-of-memory`; what was saved stays whole.
 */
export async function runSteps({ network, trainer, metrics, ...options }: StepsOptions): Promise<void> {
  const { inputs, rateOf, steps, batch, directory, saveEvery, validate, onStep } = options;
  for (let step = metrics.length + 1; step <= steps; step++) {
    const passes = [];
    for (let item = 0; item < batch; item++) {
      const given = await inputs((step - 1) * batch + item);
      passes.push(await pass(network, { ...given, ...Object.fromEntries(trainer.tensors) }));
    }
    const loss = passes.reduce((sum, { outputs }) => sum + outputs.loss!.data[0]!, 0) / passes.length;
    const gradients = meanGradients(passes.map((one) => one.gradients));
    checkFinite(step, loss, gradients);
    const learningRate = rateOf(step);
    const gradientNorm = trainer.step(gradients, learningRate);
    metrics.push({ step, loss, learningRate, gradientNorm, ...(await validate?.(step)) });
    onStep(metrics.at(-1)!);
    if (step % saveEvery === 0 || step === steps) await directory.save({ ...trainer, metrics });
  }
}

async function pass(network: TrainingNetwork, inputs: Record<string, Tensor>) {
  try {
    return await network.run(inputs);
  } catch (error) {
    if (!isOutOfMemory(String(error))) throw error;
    const advice = 'go on with --resume and --memory, which keeps fewer values';
    throw new AppError('out-of-memory', `A step did not fit into memory: ${advice}.`, { cause: error });
  }
}

function checkFinite(step: number, loss: number, gradients: ReadonlyMap<string, Float32Array>): void {
  const broken = [...gradients].find(([, data]) => !data.every(Number.isFinite));
  if (Number.isFinite(loss) && !broken) return;
  const what = broken ? `the gradient of ${broken[0]}` : 'the loss';
  const advice = 'start anew with a smaller --rate; what was saved before is whole';
  throw new AppError('invalid', `In step ${step} ${what} is no number: ${advice}.`);
}
