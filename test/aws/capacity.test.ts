import type { ConsumedCapacity, DynamoDB } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { createId } from '../../shared/id.ts';
import { rateLimitsSchema } from '../../shared/rate-limits.ts';
import { TABLE_UNITS } from '../support/capacity.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';

let server: DynamoServer;
beforeAll(async () => {
  server = await startDynamoDbLocal();
});
afterAll(() => server.stop());

test('a job costs the table no more than docs/scaling.md counts with', async () => {
  const { table } = await createStateTable(server.client);
  const limits = rateLimitsSchema.parse({});
  const state = createDynamoStateStore({ client: server.client, table, now: Date.now, limits });
  const spent = meter(server.client);
  const created_at = new Date().toISOString();
  await state.createAccount({ id: 'acc_one', name: 'one', created_at });
  await state.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'first' });
  spent();

  const now = Date.now();
  const upload_id = createId('upl', now);
  const key = `in/acc_one/${upload_id}`;
  const expires_at = new Date(now + 900_000).toISOString();
  await state.createUpload({
    id: upload_id,
    account: 'acc_one',
    key,
    content_type: 'image/png',
    bytes: 1234,
    created_at,
    expires_at,
  });
  const job = sampleJob(now, { price: 1000, upload_id, idempotency_key: 'key' });
  const response = { status: 202, headers: {}, body: 'x'.repeat(2000) };
  await state.createJob(job, { key: 'key', fingerprint: 'fingerprint', response });
  const { attempt } = await state.updateJob(job.id, { type: 'claim' });
  const progress = { stage: 'upscale', percent: 10, tile: 1, tiles: 10 } as const;
  await state.updateJob(job.id, { type: 'progress', attempt, progress });
  const untilRunning = spent();
  await state.updateJob(job.id, { type: 'progress', attempt, progress: { ...progress, tile: 2 } });
  const beat = spent();
  await state.getJob(job.id);
  const poll = spent();
  await state.updateJob(job.id, { type: 'succeed', attempt, output: SAMPLE_OUTPUT, notes: [] });
  const end = spent();

  const writes = untilRunning.writes + end.writes;
  expect(writes).toBeGreaterThan(0.7 * TABLE_UNITS.writesOfJob);
  expect(writes).toBeLessThanOrEqual(TABLE_UNITS.writesOfJob);
  expect(beat.writes).toBeLessThanOrEqual(TABLE_UNITS.writesOfProgress);
  expect(poll.reads).toBeLessThanOrEqual(TABLE_UNITS.readsOfPoll);
});

/** Adds up the units of all that the client does; each call tells and forgets them. */
function meter(client: DynamoDB) {
  let units = { reads: 0, writes: 0 };
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const answer = await next({ ...args, input: { ...args.input, ReturnConsumedCapacity: 'TOTAL' } });
        const { ConsumedCapacity: told } = answer.output as {
          ConsumedCapacity?: ConsumedCapacity | ConsumedCapacity[];
        };
        const sum = [told ?? []].flat().reduce((total, { CapacityUnits = 0 }) => total + CapacityUnits, 0);
        units[/Get|Query/.test(commandName!) ? 'reads' : 'writes'] += sum;
        return answer;
      },
    { step: 'initialize' },
  );
  return () => {
    const told = units;
    units = { reads: 0, writes: 0 };
    return told;
  };
}
