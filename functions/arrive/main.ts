import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createStandardLog } from '../../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../../shared/adapters/node/warn.ts';
import { readVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { admitArrived } from './arrive.ts';

/** Told by the bucket of every file that has come, as a Lambda function. */

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

export async function handler(event: unknown): Promise<void> {
  await admitArrived(deps, event);
}
