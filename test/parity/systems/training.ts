import type { RecordedCase } from '../../support/recorded-case.ts';
import { computeDenoiserBatch } from '../compute/training/batch.ts';
import { computeDapeGradients, computeDapeSteps } from '../compute/training/dape.ts';
import { computeDenoiserGradients, computeDenoiserSteps, type DenoiserNetworks } from '../compute/training/denoiser.ts';
import { computeOperators } from '../compute/training/operators.ts';
import { computeOptimizer, computeSchedule } from '../compute/training/optimizer.ts';
import type { Parity } from '../parity.ts';

/** SeeSR's two trainings, from single operators to steps of the optimizer. */
export const parity: Parity = {
  open() {
    const networks: DenoiserNetworks = new Map();
    const gradients = (recorded: RecordedCase) => computeDenoiserGradients(recorded, networks);
    const steps = (recorded: RecordedCase) => computeDenoiserSteps(recorded, networks);
    return {
      kinds: {
        operators: computeOperators,
        optimizer: computeOptimizer,
        schedule: computeSchedule,
        dape_gradients: computeDapeGradients,
        dape_steps: computeDapeSteps,
        denoiser_batch: computeDenoiserBatch,
        denoiser_gradients: gradients,
        denoiser_steps: steps,
        denoiser_lora_gradients: gradients,
        denoiser_lora_steps: steps,
      },
      async [Symbol.asyncDispose]() {
        for (const network of networks.values()) await (await network).release();
      },
    };
  },
};
