import { spaceTimesteps } from '../../shared/methods/timesteps.ts';
import { multistep } from './dpm-solver.ts';
import { combine, type NoiseSchedule, type Rates, rates } from './noise-schedule.ts';
import type { Scheduler } from './scheduler.ts';

interface UniPcOptions {
  /** Calls of the network, if none is skipped. */
  steps: number;
  /** The latent starts here; timesteps above are not called. Default: the last one of the training. */
  startSteps?: number;
  /** Where the last step ends: at the clean latent, or at timestep 0, just before it (diffusers until 0.25). */
  end: 'clean' | 'timestep-0';
}

/**
 * UniPC of second order (Zhao et al. 2023, for predictions of the clean latent, with B(h) = e^h − 1: `bh2` of diffusers). The
 * predictor is the step of DPM-Solver++(2M). Before it a corrector computes the sample anew, from what the network says
 * of it. First order where there is no memory yet and in the last step. The prediction is the noise in the
 * sample that the predictor gave. Draws no noise.
 *
 * It remembers the corrected sample and the clean latents that were expected, of this step and of the one before.
 */
export function createUniPc(schedule: NoiseSchedule, { end, ...options }: UniPcOptions): Scheduler {
  const timesteps = spaceTimesteps(schedule.trainSteps, { ...options, spacing: 'linspace', offset: 0 });
  const steps = timesteps.map((timestep) => rates(schedule, timestep));
  const expectClean: Scheduler['expectClean'] = ({ sample, index, prediction }) => {
    const { alpha, sigma } = steps[index]!;
    return combine(1 / alpha, sample, -sigma / alpha, prediction);
  };
  return {
    timesteps,
    expectClean,
    step({ state, index, prediction }) {
      const clean = expectClean({ sample: state.sample, index, prediction });
      const isLast = index === steps.length - 1;
      if (isLast && end === 'clean') return { sample: clean };
      const [older, before, now] = [steps[index - 2], steps[index - 1], steps[index]!];
      const [start, previous, beforeThat] = state.memory ?? [];
      const sample =
        before && start && previous
          ? correct({ older, before, now }, { start, older: beforeThat, previous, clean })
          : state.sample;
      if (isLast) return { sample: multistep({ now, next: rates(schedule, 0) }, { sample, clean }) };
      return {
        sample: multistep({ before, now, next: steps[index + 1]! }, { sample, clean, previous }),
        memory: previous ? [sample, clean, previous] : [sample, clean],
      };
    },
  };
}

interface Known {
  /** The sample that the last step started from. */
  start: Float32Array;
  /** The clean latents that were expected two steps ago, a step ago and now. */
  older: Float32Array | undefined;
  previous: Float32Array;
  clean: Float32Array;
}

/** The sample of `now` once more, by a step of the same order as the one that led there. */
function correct(
  { older, before, now }: { older: Rates | undefined; before: Rates; now: Rates },
  known: Known,
): Float32Array {
  const { start, previous, clean } = known;
  const step = now.lambda - before.lambda;
  const growth = Math.expm1(-step);
  const [kept, added] = [now.sigma / before.sigma, -now.alpha * growth];
  const weights = older && known.older ? secondOrder(step, older.lambda - before.lambda) : { older: 0, clean: 1 / 2 };
  return start.map((value, index) => {
    const center = previous[index]!;
    const past = weights.older === 0 ? 0 : weights.older * (known.older![index]! - center);
    return kept * value + added * (center + past + weights.clean * (clean[index]! - center));
  });
}

/** Weights of the differences from the clean latent of the step before; distances in λ. */
function secondOrder(step: number, back: number): { older: number; clean: number } {
  const ratio = back / step;
  const growth = Math.expm1(-step);
  const [first, second] = [growth / -step - 1, (growth / -step - 1) / -step - 1 / 2];
  const share = (first - 2 * second) / growth / (1 - ratio);
  return { older: share / ratio, clean: first / growth - share };
}
