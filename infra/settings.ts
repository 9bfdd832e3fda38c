import { z } from 'zod';
import { warnOnStandardError } from '../shared/adapters/node/warn.ts';
import { checkCommercialUse } from '../shared/commercial-use.ts';
import {
  countVariable,
  installedModels,
  modelVariables,
  readVariables,
  scalerVariables,
  sharedVariables,
} from '../shared/configuration.ts';
import { SHIPPED_IDS } from '../shared/methods/registry.ts';
import { DEFAULT_SCALING } from '../shared/scaling.ts';

/** The operator's choices for a stage, by environment variables or in `.env.STAGE`, which SST reads. */

export const isProduction = $app.stage === 'production';

const variables = readVariables(
  z.object({
    // Passed on, and checked here already.
    ...sharedVariables,
    ...scalerVariables,
    /** `off`: the worker runs without a GPU, on Fargate: cheap, slow, for trials. */
    GPU: z
      .string()
      .toLowerCase()
      .pipe(z.enum(['on', 'off']))
      .default(isProduction ? 'on' : 'off'),
    /** The most that can ever be rented at once. */
    MAX_WORKERS: countVariable(isProduction ? DEFAULT_SCALING.max : 1, 1000),
    /** The API's models: those that come with the program, and those that were put into the bucket of the models. */
    ...modelVariables,
    MODELS: modelVariables.MODELS.default([...SHIPPED_IDS]),
    /** `off`: callers of the API can keep the other functions from running; for accounts with a quota of ten functions. */
    RESERVED_CONCURRENCY: z
      .string()
      .toLowerCase()
      .pipe(z.enum(['on', 'off']))
      .default(isProduction ? 'on' : 'off'),
    /** `on`: answers without a body get a space, for accounts in which Lambda does not end them (docs/operate.md). */
    PAD_EMPTY_ANSWERS: z
      .string()
      .toLowerCase()
      .pipe(z.enum(['on', 'off']))
      .default('off'),
    /** In Route 53. Default: a name of CloudFront. */
    DOMAIN: z.string().optional(),
    /** Gets every alarm; the address must be confirmed once. */
    ALERT_EMAIL: z.email().optional(),
    MONTHLY_BUDGET_USD: countVariable(isProduction ? 500 : 50, 1_000_000),
  }),
  process.env,
  { warn: warnOnStandardError },
);

const models = installedModels(variables);
checkCommercialUse(models, variables.PRICES, variables.ACCEPT_NONCOMMERCIAL);
const added = models.flatMap(({ model, model_facts: facts }) => (facts ? [[model, facts] as const] : []));

export const settings = {
  gpu: variables.GPU === 'on',
  maxWorkers: variables.MAX_WORKERS,
  /** For the API and the worker: facts of those only that are offered. */
  models: {
    MODELS: variables.MODELS.join(','),
    ...(added.length > 0 && { MODEL_FACTS: JSON.stringify(Object.fromEntries(added)) }),
  },
  reservesConcurrency: variables.RESERVED_CONCURRENCY === 'on',
  padEmptyAnswers: variables.PAD_EMPTY_ANSWERS,
  domain: variables.DOMAIN,
  alertEmail: variables.ALERT_EMAIL,
  monthlyBudgetUsd: variables.MONTHLY_BUDGET_USD,
  rateLimits: variables.RATE_LIMITS,
};

/** The settings that every part of the service has (shared/configuration.ts), as far as they are given. */
export const serviceEnvironment = given(Object.keys(sharedVariables).filter((name) => name !== 'PUBLIC_URL'));
/** Those of the scaler (functions/scale). */
export const scalerEnvironment = given(Object.keys(scalerVariables).filter((name) => name !== 'MAX_WORKERS'));

function given(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
