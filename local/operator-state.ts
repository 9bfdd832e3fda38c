import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoStateStore } from '../shared/adapters/aws/dynamo-state-store.ts';
import type { StateStore } from '../shared/ports.ts';
import { readConfig } from './config.ts';
import { openStores } from './stores.ts';

/**
 * What an operator's command works on: the table on AWS that `TABLE` names, with the credentials and the region of the
 * SDK's variables, or else the data directory. Throws `unavailable`, and `invalid` for a wrong configuration.
 */
export function openOperatorState(environment: NodeJS.ProcessEnv): { state: StateStore; close(): void } {
  const table = environment.TABLE;
  if (!table) {
    const { state, database } = openStores(readConfig(environment).dataDirectory);
    return { state, close: () => database.close() };
  }
  const client = new DynamoDBClient();
  return { state: createDynamoStateStore({ client, table, now: Date.now }), close: () => client.destroy() };
}
