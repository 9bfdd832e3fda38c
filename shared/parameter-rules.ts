import { AppError } from './error.ts';
import { faithfulGuidance, faithfulStartSteps } from './fidelity.ts';
import { MODEL_IDS, MODEL_PARAMETERS, MODELS, type ModelId, type ModelParameters } from './models.ts';

/** Timesteps that the diffusion models were trained on. */
const TRAINED_STEPS = 1000;

/**
 * The parameters of a model, complete. `given` may hold other things as well.
 * Throws `model-unavailable` or, for a parameter that the model does not have, `invalid`.
 */
export function completeModelParameters(
  model: ModelId,
  given: ModelParameters,
  installed: readonly ModelId[],
): ModelParameters {
  if (!installed.includes(model)) {
    throw new AppError('model-unavailable', `${model} is not installed; installed: ${installed.join(', ')}.`, {
      errors: [{ pointer: '#/model', message: 'not installed', expected: installed.join(', ') }],
    });
  }
  const { defaults } = MODELS[model];
  const asked = Object.entries(given).filter(([name, value]) => name in MODEL_PARAMETERS && value !== undefined);
  const foreign = asked.map(([name]) => name).filter((name) => !(name in defaults));
  if (foreign.length > 0) {
    const owners = foreign.map((name) => {
      const others = MODEL_IDS.filter((id) => name in MODELS[id].defaults && installed.includes(id));
      return others.length > 0 ? `${name} (${others.join(', ')} has it)` : name;
    });
    throw new AppError('invalid', `${model} has no parameter ${owners.join(', ')}.`, {
      errors: foreign.map((name) => ({ pointer: `#/${name}`, message: `not a parameter of ${model}` })),
    });
  }
  checkCombinations(model, given);
  return { ...defaults, ...steeredByFidelity(model, given), ...Object.fromEntries(asked) };
}

/** What the dial makes of the parameters of a diffusion model that were not asked for. */
function steeredByFidelity(
  model: ModelId,
  { fidelity = 0, steps, scheduler, start_point = 'lr' }: ModelParameters,
): ModelParameters {
  const { defaults } = MODELS[model];
  const least = leastStartSteps(model, steps ?? defaults.steps!, scheduler);
  return {
    ...(defaults.start_steps && start_point === 'lr' && { start_steps: faithfulStartSteps(fidelity, least) }),
    ...(defaults.guidance_scale && { guidance_scale: faithfulGuidance(fidelity) }),
  };
}

/** Below it no step is left, or not as many as were asked for. */
function leastStartSteps(model: ModelId, steps: number, scheduler: ModelParameters['scheduler']): number {
  // It spreads all of its steps below the start.
  if (scheduler === 'dpm-solver++') return steps;
  // The timesteps of turbo are spread so that the last one is the first of the last 1000 / steps.
  return model === 'seesr-turbo' ? Math.round(TRAINED_STEPS / steps) - 1 : 1;
}

/** Rules between parameters: nothing that is asked for is silently without effect. */
function checkCombinations(
  model: ModelId,
  { tags, start_point, start_steps, steps, scheduler }: ModelParameters,
): void {
  if (tags?.mode === 'auto' && tags.list.length > 0) {
    throw new AppError('invalid', `tags.list has ${tags.list.length} tags, which tags.mode auto does not use.`, {
      errors: [{ pointer: '#/tags/list', message: 'not used by mode auto', expected: 'mode append or replace' }],
    });
  }
  if (start_point === 'noise' && start_steps !== undefined) {
    throw new AppError('invalid', `start_steps ${start_steps} has no meaning with start_point noise.`, {
      errors: [{ pointer: '#/start_steps', message: 'only with start_point lr' }],
    });
  }
  if (start_steps === undefined) return;
  const least = leastStartSteps(model, steps ?? MODELS[model].defaults.steps!, scheduler);
  if (start_steps >= least) return;
  throw new AppError('invalid', `start_steps ${start_steps} leaves too few steps; it is at least ${least}.`, {
    errors: [{ pointer: '#/start_steps', message: 'leaves too few steps', expected: `at least ${least}` }],
  });
}
