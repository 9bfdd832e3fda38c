import type { ModelParameters } from '../../../shared/methods/parameters.ts';
import { createDdim } from '../../schedulers/ddim.ts';
import { createContinuousDpmSolver } from '../../schedulers/dpm-solver-continuous.ts';
import { createDpmSolverSde } from '../../schedulers/dpm-solver-sde.ts';
import type { NoiseSchedule } from '../../schedulers/noise-schedule.ts';
import type { Predicts } from '../../schedulers/predicts.ts';
import type { Scheduler } from '../../schedulers/scheduler.ts';
import { createSpacedDdpm } from '../../schedulers/spaced-ddpm.ts';

type SamplerName = NonNullable<ModelParameters['sampler']>;

interface SamplerOptions {
  steps: number;
  /** The latent starts at this timestep. Default: the last one. */
  startSteps?: number;
  predicts: Predicts;
}

interface Sampler {
  scheduler: Scheduler;
  /** The timestep whose noise the start has. */
  begins: number;
}

const SAMPLERS: Record<SamplerName, (schedule: NoiseSchedule, options: SamplerOptions) => Sampler> = {
  ddpm: (schedule, options) => atFirst(createSpacedDdpm(schedule, { ...options, spacing: 'even', offset: 0 })),
  ddim: (schedule, options) => atFirst(createDdim(schedule, { ...options, eta: 0 })),
  'dpm++2m': (schedule, options) => {
    const scheduler = createContinuousDpmSolver(schedule, options);
    return { scheduler, begins: scheduler.begins };
  },
  'dpm++3m-sde': (schedule, options) => atFirst(createDpmSolverSde(schedule, options)),
};

/** The way of a version from noise to the clean latent; the first version knows only that of DDPM. */
export function createSampler(schedule: NoiseSchedule, name: SamplerName, options: SamplerOptions): Sampler {
  return SAMPLERS[name](schedule, options);
}

/** Of one that begins where it first calls the network. */
function atFirst(scheduler: Scheduler): Sampler {
  return { scheduler, begins: scheduler.timesteps[0]! };
}
