import { z } from 'zod';
import { countVariable, readVariables, sharedVariables } from '../shared/configuration.ts';
import { MODEL_IDS, SHIPPED_MODELS } from '../shared/models.ts';
import { DEFAULT_SCALING } from '../shared/scaling.ts';

/** What an operator chooses for a stage, by environment variables or in `.env.STAGE`, which SST reads. */

export const isProduction = $app.stage === 'production';

const variables = readVariables(
  z.object({
    /** `off`: the worker runs without a GPU, on Fargate: cheap, slow, for trials. */
    GPU: z.enum(['on', 'off']).default(isProduction ? 'on' : 'off'),
    /** The most that can ever be rented at once. */
    MAX_WORKERS: countVariable(isProduction ? DEFAULT_SCALING.max : 1, 1000),
    /** What the API offers: those that come with the program, and those that were put into the bucket of the models. */
    MODELS: z
      .string()
      .default(SHIPPED_MODELS.join(','))
      .refine((list) => z.array(z.enum(MODEL_IDS)).safeParse(list.split(',')).success, `some of ${MODEL_IDS}`),
    /** In Route 53. Default: a name of CloudFront. */
    DOMAIN: z.string().optional(),
    /** Gets every alarm; the address must be confirmed once. */
    ALERT_EMAIL: z.email().optional(),
    MONTHLY_BUDGET_USD: countVariable(isProduction ? 500 : 50, 1_000_000),
  }),
  process.env,
);

export const settings = {
  gpu: variables.GPU === 'on',
  maxWorkers: variables.MAX_WORKERS,
  models: variables.MODELS,
  domain: variables.DOMAIN,
  alertEmail: variables.ALERT_EMAIL,
  monthlyBudgetUsd: variables.MONTHLY_BUDGET_USD,
};

/** The settings that every part of the service has (shared/configuration.ts), as far as they are given. */
export const serviceEnvironment = given(Object.keys(sharedVariables).filter((name) => name !== 'PUBLIC_URL'));
/** Those of the scaler (functions/scale). */
export const scalerEnvironment = given(['MIN_WORKERS', 'SECONDS_PER_JOB', 'COLD_START_SECONDS', 'WAIT_SECONDS']);

function given(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
