import { AppError } from './error.ts';

/** What the service can run. Which of them an installation has is configuration (`installedModels`). */
export const MODELS = {
  'real-esrgan': {
    name: 'Real-ESRGAN x4plus',
    description: 'RRDBNet, 23 blocks: sharp, natural texture. The default where no SeeSR weights are installed.',
    license: 'BSD-3-Clause',
    parameters: [],
  },
  'real-esrgan-fast': {
    name: 'realesr-general-x4v3',
    description: 'SRVGGNetCompact: about ten times faster, gentle; `denoise` sets how much noise is taken away.',
    license: 'BSD-3-Clause',
    parameters: ['denoise'],
  },
} as const satisfies Record<
  string,
  { name: string; description: string; license: string; parameters: readonly string[] }
>;

export type ModelId = keyof typeof MODELS;
export const MODEL_IDS = Object.keys(MODELS) as [ModelId, ...ModelId[]];

/** Best first: the default is the first of these that is installed. */
const PREFERENCE: readonly ModelId[] = ['real-esrgan', 'real-esrgan-fast'];

/** Throws `model-unavailable` when nothing is installed. */
export function defaultModel(installed: readonly ModelId[]): ModelId {
  const best = PREFERENCE.find((id) => installed.includes(id));
  if (!best) throw new AppError('model-unavailable', 'No model is installed.');
  return best;
}

/** Throws `model-unavailable` or, for a parameter that the model does not have, `invalid`. */
export function checkModel(
  model: ModelId,
  given: { denoise?: number | undefined },
  installed: readonly ModelId[],
): void {
  if (!installed.includes(model)) {
    throw new AppError('model-unavailable', `${model} is not installed; installed: ${installed.join(', ')}.`, {
      errors: [{ pointer: '#/model', message: 'not installed', expected: installed.join(', ') }],
    });
  }
  const parameters: readonly string[] = MODELS[model].parameters;
  if (given.denoise !== undefined && !parameters.includes('denoise')) {
    throw new AppError('invalid', `denoise is not a parameter of ${model}; use real-esrgan-fast.`, {
      errors: [{ pointer: '#/denoise', message: `not a parameter of ${model}` }],
    });
  }
}
