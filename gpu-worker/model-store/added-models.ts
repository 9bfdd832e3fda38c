import { isDeepStrictEqual } from 'node:util';
import { AppError } from '../../shared/error.ts';
import type { InstalledModel, ModelFacts } from '../../shared/methods/model-facts.ts';
import { modelsNamed } from '../../shared/methods/registry.ts';
import type { Added } from './added.ts';
import { findInstalled, listAdded, listInstalled } from './installed.ts';

/** All that may be asked for: methods of the program, best first, then models that were added, by their names. */
export async function listModels(modelsDirectory: string): Promise<InstalledModel[]> {
  const added: InstalledModel[] = [];
  for (const model of await listAdded(modelsDirectory)) {
    const facts = await findFacts(modelsDirectory, model).catch((error: unknown) => {
      if (error instanceof AppError) return undefined; // "npm run models -- list" tells why
      throw error;
    });
    if (facts) added.push({ model, model_facts: facts });
  }
  return [...modelsNamed(await listInstalled(modelsDirectory)), ...added];
}

/**
 * Whether a model that was added is there, and the one that was meant. Throws AppError: `model-unavailable`, and
 * `engine-failed` for one that is not whole.
 */
export async function checkAdded(
  modelsDirectory: string,
  { model, model_facts: meant }: InstalledModel,
): Promise<void> {
  if (!meant) return;
  const found = await findFacts(modelsDirectory, model);
  if (!found) throw new AppError('model-unavailable', `The model ${model} is no longer installed here.`);
  if (isDeepStrictEqual(found, meant)) return;
  const different = Object.keys({ ...meant, ...found }).filter((name) => {
    return found[name as keyof ModelFacts] !== meant[name as keyof ModelFacts];
  });
  throw new AppError(
    'model-unavailable',
    `${model} is another model now: its ${different.join(', ')} is not the same.`,
  );
}

async function findFacts(modelsDirectory: string, model: string): Promise<ModelFacts | undefined> {
  const added = (await findInstalled(modelsDirectory, model))?.manifest.added;
  return added && factsOf(added);
}

export function factsOf({ family, inputChannels, outputChannels, workShare = 1, ...others }: Added): ModelFacts {
  return {
    method: family,
    title: others.title,
    license: others.license,
    scale: others.scale,
    input_channels: inputChannels,
    output_channels: outputChannels,
    context: others.context,
    shuffle: others.shuffle,
    work_share: workShare,
  };
}
