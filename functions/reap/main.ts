import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createStandardLog } from '../../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../../shared/adapters/node/warn.ts';
import { readVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { reap } from './reap.ts';

/** The sweep over all that is overdue, as a Lambda function that runs every minute. */

const variables = readVariables(z.object({ ...sharedVariables, ...awsVariables }), process.env, {
  warn: warnOnStandardError,
});
const { logLevel, limits, prices } = serviceSettings(variables);
const deps = {
  ...openAwsStores(variables),
  limits,
  prices,
  log: createStandardLog(logLevel, process.stdout),
};

/** Later work could not end within the function's time: the stores are asked three times before they are given up. */
const RESERVE_MILLISECONDS = 65_000;

export async function handler(_event: unknown, context: { getRemainingTimeInMillis(): number }): Promise<void> {
  await reap(deps, AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MILLISECONDS)));
}
