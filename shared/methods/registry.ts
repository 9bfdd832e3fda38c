import { AppError } from '../error.ts';
import { bsrgan } from './bsrgan.ts';
import { compact } from './compact.ts';
import { dasr } from './dasr.ts';
import { diffbir, diffbirV2, diffbirV21 } from './diffbir.ts';
import { esrgan } from './esrgan.ts';
import { femasr } from './femasr.ts';
import { ldl } from './ldl.ts';
import { ldm } from './ldm.ts';
import type { Method } from './method.ts';
import type { AddableId, InstalledModel, ModelFacts } from './model-facts.ts';
import type { OnePassMethod } from './one-pass.ts';
import { pasd } from './pasd.ts';
import { realEsrgan, realEsrganFast } from './real-esrgan.ts';
import { resshift, resshiftFast } from './resshift.ts';
import { seesr, seesrTurbo } from './seesr.ts';
import { stablesr } from './stablesr.ts';

/** Every method that is offered by itself, best first: one line each. Which of them an installation has is configuration. */
const DECLARED = [
  seesr,
  realEsrgan,
  realEsrganFast,
  bsrgan,
  ldl,
  dasr,
  femasr,
  ldm,
  resshift,
  resshiftFast,
  stablesr,
  pasd,
  diffbir,
  diffbirV2,
  diffbirV21,
  seesrTurbo,
] as const;

export type MethodId = (typeof DECLARED)[number]['id'];
export type ShippedId = Extract<(typeof DECLARED)[number], { weights: 'shipped' }>['id'];

export const METHODS: readonly Method<MethodId>[] = DECLARED;
export const METHOD_IDS: readonly MethodId[] = METHODS.map(({ id }) => id);
export const SHIPPED_IDS: readonly ShippedId[] = METHOD_IDS.filter(isShipped);

/** Those whose models users add. */
const ADDABLE = { esrgan, compact } as const satisfies Record<AddableId, unknown>;
/** Everything that has a price and a pace. */
export type AnyMethodId = MethodId | AddableId;
export const ANY_METHODS: readonly Pick<Method<AnyMethodId>, 'id' | 'price'>[] = [
  ...METHODS,
  ...Object.values(ADDABLE),
];
export const ANY_METHOD_IDS: readonly AnyMethodId[] = ANY_METHODS.map(({ id }) => id);

/**
 * Of an installed model, or of the parameters of a job. Throws `model-unavailable` for one that this program does not know,
 * and whose facts the job does not have.
 */
export function methodOf({ model, model_facts: facts }: InstalledModel): Method<AnyMethodId> {
  if (facts) return addedMethod(facts);
  const found = METHODS.find(({ id }) => id === model);
  if (!found) throw new AppError('model-unavailable', `This program has no model ${model}.`);
  return found;
}

/** Of a model that was added. */
export function addedMethod(facts: ModelFacts): OnePassMethod<AddableId, 'built'> {
  return ADDABLE[facts.method].modelOf(facts);
}

/** With the repository; others are built from the user's files, or were added. */
export function isShipped(id: string): id is ShippedId {
  return METHODS.find((method) => method.id === id)?.weights === 'shipped';
}

/** Models that are methods themselves. */
export function modelsNamed(ids: readonly MethodId[]): InstalledModel[] {
  return ids.map((model) => ({ model }));
}
/** All of those. */
export const OWN_MODELS: readonly InstalledModel[] = modelsNamed(METHOD_IDS);

/** The best that is installed, of those that were added the first. Throws `model-unavailable` when nothing is. */
export function defaultModel(installed: readonly InstalledModel[]): string {
  const own = METHOD_IDS.find((id) => installed.some(({ model }) => model === id));
  const best = own ?? installed[0]?.model;
  if (best === undefined) throw new AppError('model-unavailable', 'No model is installed.');
  return best;
}
