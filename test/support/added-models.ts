import type { InstalledModel, ModelFacts } from '../../shared/methods/model-facts.ts';

/** Facts of models as users add them: one of each kind. */
export const ADDED_MODELS = {
  '4x-usual': facts({}),
  '1x-clean': facts({ scale: 1, title: 'Clean' }),
  '2x-small': facts({ scale: 2, context: 49, work_share: 0.05, license: 'CC0-1.0' }),
  '8x-large': facts({ scale: 8, work_share: 1.25 }),
  '2x-shuffled': facts({ scale: 2, shuffle: 2, context: 698, work_share: 0.25 }),
  '1x-shuffled': facts({ scale: 1, shuffle: 4, context: 1396, work_share: 0.06 }),
  '4x-gray': facts({ input_channels: 1, output_channels: 1, work_share: 3 }),
  '3x-compact': facts({ method: 'compact', scale: 3, context: 18, work_share: 0.5, license: 'CC-BY-NC-SA-4.0' }),
} satisfies Record<string, ModelFacts>;

export function addedModels(...names: (keyof typeof ADDED_MODELS)[]): InstalledModel[] {
  return names.map((model) => ({ model, model_facts: ADDED_MODELS[model] }));
}

function facts(changes: Partial<ModelFacts>): ModelFacts {
  return {
    method: 'esrgan',
    title: 'A model',
    license: 'MIT',
    scale: 4,
    input_channels: 3,
    output_channels: 3,
    context: 349,
    shuffle: 1,
    work_share: 1,
    ...changes,
  };
}
