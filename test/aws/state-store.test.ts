import { afterAll, beforeAll } from 'vitest';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { outboxContract } from '../contract/outbox.contract.ts';
import { stateKeysContract } from '../contract/state-keys.contract.ts';
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

const openAt = (server: () => { endpoint: string }) => async () => {
  const clock = createClock();
  const client = createDynamoClient(server().endpoint);
  const { table, remove } = await createStateTable(client);
  const close = async () => {
    await remove();
    client.destroy();
  };
  return { store: createDynamoStateStore({ client, table, now: clock.now }), clock, close };
};

for (const contract of [stateStoreContract, stateKeysContract, outboxContract]) {
  contract(
    'DynamoDB Local',
    openAt(() => dynamoDbLocal),
  );
  contract(
    'MiniStack',
    openAt(() => miniStack),
  );
}
