import { AppError } from '../../shared/error.ts';
import { addedMethod } from '../../shared/methods/registry.ts';
import { factsOf } from '../model-store/added-models.ts';
import { MANIFEST_FILE, readModelManifest } from '../model-store/installed.ts';
import type { MethodEngine } from './engine.ts';
import { ADDED } from './layer-kinds.ts';
import { onePass, openNetwork } from './one-pass-engine.ts';

/** Models that users add, each described by its manifest. */
export const addedEngine: MethodEngine = {
  layers: ADDED,
  async load(directory, { device }) {
    const added = (await readModelManifest(directory))?.added;
    if (!added) throw new AppError('engine-failed', `${directory}/${MANIFEST_FILE} is of no model that was added.`);
    const { inputChannels, outputChannels } = added;
    const { scale, context, unit } = addedMethod(factsOf(added));
    return onePass(await openNetwork(directory, device, { scale, inputChannels, outputChannels, context, unit }));
  },
};
