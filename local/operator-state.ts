import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { z } from 'zod';
import { createDynamoStateStore } from '../shared/adapters/aws/dynamo-state-store.ts';
import { warnOnStandardError as warn } from '../shared/adapters/node/warn.ts';
import { readVariables } from '../shared/configuration.ts';
import type { StateStore } from '../shared/ports.ts';
import { readConfig } from './config.ts';
import { openStores } from './stores.ts';

/**
 * The state of an operator's command: the table on AWS that `TABLE` names, with the credentials and the region of the
 * SDK's variables, or else the data directory. Throws `unavailable`, and `invalid` for a wrong configuration.
 */
export function openOperatorState(environment: NodeJS.ProcessEnv): { state: StateStore; close(): void } {
  const { TABLE: table } = readVariables(z.object({ TABLE: z.string().optional() }), environment, { warn });
  if (!table) {
    const { state, database } = openStores(readConfig(environment, warn).dataDirectory, { isGuest: true });
    return { state, close: () => database.close() };
  }
  const client = new DynamoDBClient();
  return { state: createDynamoStateStore({ client, table, now: Date.now }), close: () => client.destroy() };
}
