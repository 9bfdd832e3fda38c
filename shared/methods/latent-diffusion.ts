import type { Method, ParameterProblem } from './method.ts';
import type { ModelParameters } from './parameters.ts';
import { coverLatent, diffusionSide, LATENT_PIXELS, latentOverlap, MODEL_SCALE } from './tile-plan.ts';
import { type Spacing, spaceTimesteps } from './timesteps.ts';

/** Common parts of methods that denoise the latent of an autoencoder, step by step. */

type Given<Id extends string> = Pick<
  Method<Id>,
  'id' | 'name' | 'description' | 'license' | 'defaults' | 'problems' | 'seesTags'
> & {
  /** In latents, each 8 × 8 pixels of the result. */
  tileSizes: Method['tileSizes'];
  timesteps: Timesteps;
  /** Micro-units for a call of the network. */
  price: number;
  /** Seconds for a call. */
  pace: number;
};

/** Which of the timesteps of the training the published model calls; test/unit/shared/pricing.test.ts compares with a build. */
interface Timesteps {
  trained: number;
  spacing: Spacing;
  offset: number;
}

/**
 * The fidelity dial: 0 as the method restores, 1 as true to the photo as it can be. Between them, of defaults 999 and 5.5:
 *
 * | fidelity | start_steps | guidance_scale | share of the enlarged photo |
 * | -------- | ----------- | -------------- | --------------------------- |
 * | 0        | 999         | 5.5            | 0                           |
 * | 0.25     | 799         | 4.375          | 0.125                       |
 * | 0.5      | 599         | 3.25           | 0.25                        |
 * | 0.75     | 399         | 2.125          | 0.375                       |
 * | 1        | 199         | 1: none        | 0.5                         |
 *
 * Fewer timesteps, and no second prompt at 1, cost less as well. A method that starts at noise starts at the photo above 0. A parameter that was asked for stays as it is.
 * `conditioning_scale` stays 1, where ControlNet was trained.
 */
const LEAST_START_STEPS = 199;
const MOST_SHARE = 0.5;

export function latentDiffusion<const Id extends string>(given: Given<Id>): Method<Id> & { weights: 'built' } {
  const { timesteps, price, pace, ...about } = given;
  const { defaults, tileSizes } = about;
  const leastStart = (asked: ModelParameters) => leastStartSteps(timesteps, { ...defaults, ...asked });
  return {
    ...about,
    scale: MODEL_SCALE,
    workShare: 1,
    problems: (asked) => [
      ...tagProblems(asked),
      ...about.problems(asked),
      ...startProblems({ start_point: defaults.start_point, ...asked }, timesteps.trained, () => leastStart(asked)),
    ],
    work({ width, height }, parameters) {
      const [size] = tileSizes;
      const count = (side: number) =>
        coverLatent(diffusionSide(side) / LATENT_PIXELS, size, latentOverlap(size)).length;
      const tiles = count(width) * count(height);
      const steps = calledSteps(timesteps, parameters);
      const isGuided = (parameters.guidance_scale ?? 1) > 1;
      return { tiles, steps, calls: tiles * steps * (isGuided ? 2 : 1) };
    },
    fidelity: {
      share: (fidelity) => MOST_SHARE * fidelity,
      steer(fidelity, asked) {
        const { start_steps: latest, guidance_scale: guidance } = defaults;
        // One that starts at noise by itself starts at the photo where it shall be true to it.
        const turns = fidelity > 0 && defaults.start_point === 'noise' && asked.start_point === undefined;
        const isFromPhoto = turns || (asked.start_point ?? defaults.start_point) === 'lr';
        return {
          ...(turns && { start_point: 'lr' as const }),
          ...(latest && isFromPhoto && { start_steps: Math.max(leastStart(asked), startSteps(fidelity, latest)) }),
          ...(guidance && { guidance_scale: Math.round((guidance - fidelity * (guidance - 1)) * 1000) / 1000 }),
        };
      },
    },
    price: { per: 'network_call', standard: price },
    pace: { per: 'network_call', seconds: pace },
    weights: 'built',
    holdsWhole: true,
    isGenerative: true,
    isResumable: true,
  };
}

function startSteps(fidelity: number, latest: number): number {
  return Math.round(latest - fidelity * (latest - LEAST_START_STEPS));
}

/** Below it no step is left, or not as many as were asked for. */
function leastStartSteps(timesteps: Timesteps, { steps = 1, ...way }: ModelParameters): number {
  if (isSpread(way)) return steps;
  return Math.max(1, spaceTimesteps(timesteps.trained, { steps, ...spacingOf(timesteps, way) }).at(-1)!);
}

function calledSteps(timesteps: Timesteps, { steps = 1, start_steps, ...way }: ModelParameters) {
  if (isSpread(way)) return steps;
  const start = start_steps !== undefined && { startSteps: start_steps };
  return spaceTimesteps(timesteps.trained, { steps, ...spacingOf(timesteps, way), ...start }).length;
}

/** Solvers spread as many steps as are asked for below the start; others leave out those above. */
function isSpread({ scheduler, sampler }: ModelParameters): boolean {
  return scheduler === 'dpm-solver++' || sampler === 'dpm++2m' || sampler === 'dpm++3m-sde';
}

function spacingOf({ spacing, offset }: Timesteps, { sampler }: ModelParameters): Omit<Timesteps, 'trained'> {
  return sampler === 'ddim' ? { spacing: 'uniform', offset: 1 } : { spacing, offset };
}

function tagProblems({ tags }: ModelParameters): ParameterProblem[] {
  if (tags?.mode !== 'auto' || tags.list.length === 0) return [];
  return [
    {
      parameter: 'tags/list',
      message: `tags.list has ${tags.list.length} tags, which tags.mode auto does not use.`,
      detail: 'not used by mode auto',
      expected: 'mode append or replace',
    },
  ];
}

/** Nothing that is asked for is silently without effect. */
function startProblems(
  { start_point, start_steps }: ModelParameters,
  trained: number,
  leastStart: () => number,
): ParameterProblem[] {
  // At the last timestep of the training no method skips anything.
  if (start_steps === undefined || start_steps === trained - 1) return [];
  const parameter = 'start_steps';
  if (start_point === 'noise') {
    const message = `start_steps ${start_steps} has no meaning with start_point noise.`;
    return [{ parameter, message, detail: 'only with start_point lr' }];
  }
  const least = leastStart();
  if (start_steps >= least) return [];
  const message = `start_steps ${start_steps} leaves too few steps; it is at least ${least}.`;
  return [{ parameter, message, detail: 'leaves too few steps', expected: `at least ${least}` }];
}
