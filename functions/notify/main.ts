import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import { readVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { createLog } from '../../shared/log.ts';
import { notifyDue } from './notify.ts';

/** Sends and fetches what is due, as a Lambda function: woken by the table's stream, and every minute for what waits. */

const variables = readVariables(z.object({ ...sharedVariables, ...awsVariables }), process.env);
const { logLevel, limits, prices, outbound } = serviceSettings(variables);
const deps = {
  ...openAwsStores(variables),
  limits,
  prices,
  log: createLog(logLevel, (line) => process.stdout.write(`${line}\n`)),
  now: Date.now,
  outbound: createGuardedFetch(outbound),
};
/** What begins later could not end within the function's time. */
const RESERVE_MILLISECONDS = 70_000;

export async function handler(_event: unknown, context: { getRemainingTimeInMillis(): number }): Promise<void> {
  await notifyDue(deps, AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MILLISECONDS)));
}
