import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { readVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { createLog } from '../../shared/log.ts';
import { reap } from './reap.ts';

/** The sweep over what is overdue, as a Lambda function that runs every minute. */

const variables = readVariables(z.object({ ...sharedVariables, ...awsVariables }), process.env);
const { logLevel, limits, prices } = serviceSettings(variables);
const deps = {
  ...openAwsStores(variables),
  limits,
  prices,
  log: createLog(logLevel, (line) => process.stdout.write(`${line}\n`)),
};

export async function handler(): Promise<void> {
  await reap(deps);
}
