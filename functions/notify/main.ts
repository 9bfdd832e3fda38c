import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import { createStandardLog } from '../../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../../shared/adapters/node/warn.ts';
import { readVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { ATTEMPT_SECONDS } from '../../shared/delivery.ts';
import { notifyDue } from './notify.ts';

/** Sends and fetches due work, as a Lambda function: woken by the table's stream, and every minute for waiting work. */

const variables = readVariables(z.object({ ...sharedVariables, ...awsVariables }), process.env, {
  warn: warnOnStandardError,
});
const { logLevel, limits, prices, outbound } = serviceSettings(variables);
const deps = {
  ...openAwsStores(variables),
  limits,
  prices,
  log: createStandardLog(logLevel, process.stdout),
  now: Date.now,
  outbound: createGuardedFetch(outbound),
};
/** Each may hold the parts of a photo on its way into the bucket, in the memory of one function. */
const LANES = 32;
/** A later attempt might not end within the function's time: that of the longest one, and to note its outcome. */
const RESERVE_MILLISECONDS = (Math.max(...Object.values(ATTEMPT_SECONDS)) + 15) * 1000;

export async function handler(_event: unknown, context: { getRemainingTimeInMillis(): number }): Promise<void> {
  const stop = AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MILLISECONDS));
  await notifyDue(deps, stop, LANES);
}
