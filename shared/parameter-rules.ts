import { AppError } from './error.ts';
import type { ParameterProblem } from './methods/method.ts';
import type { InstalledModel } from './methods/model-facts.ts';
import { MODEL_PARAMETERS, type ModelParameters } from './methods/parameters.ts';
import { methodOf } from './methods/registry.ts';

/**
 * The parameters of a model, complete. `given` may hold other things as well.
 * Throws `invalid` for a parameter that the model does not have.
 */
export function completeModelParameters(
  chosen: InstalledModel,
  given: ModelParameters,
  installed: readonly InstalledModel[],
): ModelParameters {
  const { model } = chosen;
  const { defaults, fidelity, problems } = methodOf(chosen);
  const asked = Object.entries(given).filter(([name, value]) => name in MODEL_PARAMETERS && value !== undefined);
  const foreign = asked.map(([name]) => name).filter((name) => !(name in defaults));
  if (foreign.length > 0) {
    const owners = foreign.map((name) => {
      const others = installed.filter((other) => name in methodOf(other).defaults);
      return others.length > 0 ? `${name} (${others.map((other) => other.model).join(', ')} has it)` : name;
    });
    throw new AppError('invalid', `${model} has no parameter ${owners.join(', ')}.`, {
      errors: foreign.map((name) => ({ pointer: `#/${name}`, message: `not a parameter of ${model}` })),
    });
  }
  const [problem] = problems(given);
  if (problem) throw refusalOf(problem);
  return { ...defaults, ...fidelity.steer(given.fidelity ?? 0, given), ...Object.fromEntries(asked) };
}

function refusalOf({ parameter, message, detail, expected }: ParameterProblem): AppError {
  const error = { pointer: `#/${parameter}`, message: detail, ...(expected !== undefined && { expected }) };
  return new AppError('invalid', message, { errors: [error] });
}
