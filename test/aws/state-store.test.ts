import { afterAll, beforeAll } from 'vitest';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import type { RateLimits } from '../../shared/rate-limits.ts';
import { outboxContract } from '../contract/outbox.contract.ts';
import { stateClearingContract } from '../contract/state-clearing.contract.ts';
import { stateKeysContract } from '../contract/state-keys.contract.ts';
import { stateQuotasContract } from '../contract/state-quotas.contract.ts';
import { stateStoreContract } from '../contract/state-store.contract.ts';
import { type AwsServer, startMiniStack } from '../support/aws-servers.ts';
import { createClock } from '../support/clock.ts';
import {
  createDynamoClient,
  createStateTable,
  type DynamoServer,
  startDynamoDbLocal,
} from '../support/dynamodb-local.ts';

/**
 * The state store of AWS against DynamoDB Local, which AWS publishes for tests, and MiniStack, which others wrote. Not
 * checked by either: throttling, indexes that lag behind, limits of partitions; by DynamoDB Local: credentials.
 */
let dynamoDbLocal: DynamoServer;
let miniStack: AwsServer;
beforeAll(async () => {
  [dynamoDbLocal, miniStack] = await Promise.all([startDynamoDbLocal(), startMiniStack()]);
});
afterAll(() => Promise.all([dynamoDbLocal.stop(), miniStack.close()]));

const openAt = (server: () => { endpoint: string }) => async (limits?: RateLimits) => {
  const clock = createClock();
  const client = createDynamoClient(server().endpoint);
  // A record that is new by the clock of a test may be old by that of the server, which forgets once a minute.
  const { table, remove } = await createStateTable(client, { forgets: false });
  const close = async () => {
    await remove();
    client.destroy();
  };
  const [store, other] = [1, 2].map(() => createDynamoStateStore({ client, table, now: clock.now, limits }));
  return { store: store!, other: other!, clock, close };
};

for (const contract of [
  stateStoreContract,
  stateKeysContract,
  stateQuotasContract,
  stateClearingContract,
  outboxContract,
]) {
  contract(
    'DynamoDB Local',
    openAt(() => dynamoDbLocal),
  );
  contract(
    'MiniStack',
    openAt(() => miniStack),
  );
}
