import type { z } from 'zod';
import type { Parameters } from '../../shared/job.ts';
import { defaultModel } from '../../shared/methods/registry.ts';
import { completeParameters, type requestedParametersSchema } from '../../shared/parameters.ts';
import { isSold } from '../../shared/pricing.ts';
import type { Dependencies } from './dependencies.ts';

/**
 * Of a job or a quote, complete: without `model` the best that is installed and sold here. `rateOf` tells whether the
 * one that is asked for is sold, of jobs without a quote. Throws as `completeParameters` does.
 */
export function orderedParameters(
  { model, ...requested }: z.output<typeof requestedParametersSchema>,
  { installedModels, prices }: Pick<Dependencies, 'installedModels' | 'prices'>,
): Parameters {
  const ordered = model ?? defaultModel(installedModels.filter((installed) => isSold(installed, prices)));
  return completeParameters({ ...requested, model: ordered }, installedModels);
}
