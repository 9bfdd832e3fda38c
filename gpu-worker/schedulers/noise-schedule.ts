import { AppError } from '../../shared/error.ts';

/** How noise was added in training: the fields of the published `scheduler_config.json` that say it. */
export interface NoiseScheduleConfig {
  trainSteps: number;
  betaStart: number;
  betaEnd: number;
  /** `scaled_linear`: the roots of the betas lie on a line, as in all of Stable Diffusion. */
  betaSchedule: 'linear' | 'scaled_linear';
  /** √ᾱ moved and stretched so that nothing of the picture is left at the last timestep (Lin et al. 2023, algorithm 1). */
  endsInNoise?: boolean;
}

export interface NoiseSchedule {
  trainSteps: number;
  /**
   * ᾱ of a timestep 0 .. trainSteps − 1: share of the picture's variance in x_t = √ᾱ·x_0 + √(1−ᾱ)·noise
   * (Ho et al. 2020, eq. 4). 1 for any timestep below 0: the clean picture.
   */
  alphaBar(timestep: number): number;
}

/** Computed in double precision; the reference keeps fp32. */
export function createNoiseSchedule(config: NoiseScheduleConfig): NoiseSchedule {
  const { trainSteps, betaStart, betaEnd, betaSchedule } = config;
  const power = betaSchedule === 'scaled_linear' ? 2 : 1;
  const [first, last] = [betaStart ** (1 / power), betaEnd ** (1 / power)];
  const alphaBars = new Float64Array(trainSteps);
  let product = 1;
  for (let timestep = 0; timestep < trainSteps; timestep++) {
    product *= 1 - (first + ((last - first) * timestep) / (trainSteps - 1)) ** power;
    alphaBars[timestep] = product;
  }
  if (config.endsInNoise) stretchToNoise(alphaBars);
  return {
    trainSteps,
    alphaBar(timestep) {
      if (timestep < 0) return 1;
      const value = alphaBars[timestep];
      if (value === undefined)
        throw new AppError('engine-failed', `Timestep ${timestep} is not one of 0 to ${trainSteps - 1}.`);
      return value;
    },
  };
}

/** Of the noise in the sample at a timestep. */
export interface Rates {
  /** √ᾱ, the factor of the clean picture. */
  alpha: number;
  /** √(1−ᾱ), the factor of the noise. */
  sigma: number;
  /** ln(α/σ), the clock of the solvers. */
  lambda: number;
}

export function rates(schedule: NoiseSchedule, timestep: number): Rates {
  const alphaBar = schedule.alphaBar(timestep);
  const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return { alpha, sigma, lambda: Math.log(alpha / sigma) };
}

function stretchToNoise(alphaBars: Float64Array): void {
  const [first, last] = [Math.sqrt(alphaBars[0]!), Math.sqrt(alphaBars.at(-1)!)];
  for (const [timestep, alphaBar] of alphaBars.entries()) {
    alphaBars[timestep] = (((Math.sqrt(alphaBar) - last) * first) / (first - last)) ** 2;
  }
}

/** x_t = √ᾱ·clean + √(1−ᾱ)·noise: a clean latent as it would be at that timestep. */
export function addNoise(schedule: NoiseSchedule, clean: Float32Array, noise: Float32Array, timestep: number) {
  const alphaBar = schedule.alphaBar(timestep);
  return combine(Math.sqrt(alphaBar), clean, Math.sqrt(1 - alphaBar), noise);
}

/** a·x + b·y, value by value, rounded once to fp32. */
export function combine(a: number, x: Float32Array, b: number, y: Float32Array): Float32Array {
  return x.map((value, index) => a * value + b * y[index]!);
}
