import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { StateStore } from '../../ports.ts';
import { createDynamoAccounts } from './dynamo-accounts.ts';
import { createDynamoKeys } from './dynamo-api-keys.ts';
import { createDynamoBatches } from './dynamo-batches.ts';
import { createFunds } from './dynamo-funds.ts';
import { createIdempotency } from './dynamo-idempotency.ts';
import { createDynamoJobs } from './dynamo-jobs.ts';
import { createDynamoOutbox } from './dynamo-outbox.ts';
import { createDynamoPaces } from './dynamo-paces.ts';
import { createDynamoTotals } from './dynamo-totals.ts';
import { openTable } from './dynamo-transaction.ts';
import { createDynamoUploads } from './dynamo-uploads.ts';

interface Options {
  client: DynamoDBClient;
  /** Of a table as in dynamo-table.ts. */
  table: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Unfinished jobs of one key, where the key itself says nothing. Default: any number. */
  inflightCap?: number;
}

/**
 * Durable state in one table of DynamoDB. Each verb reads what it decides on, applies the pure rules of the core, and
 * writes all of it in one transaction that holds only if nothing of it has changed; else it begins again.
 */
export function createDynamoStateStore({
  client,
  table,
  now,
  inflightCap = Number.POSITIVE_INFINITY,
}: Options): StateStore {
  const dynamo = openTable(client, table);
  const idempotency = createIdempotency(dynamo, now);
  const funds = createFunds(dynamo, inflightCap);
  const outbox = createDynamoOutbox(dynamo, idempotency, now);
  const batches = createDynamoBatches(dynamo, { funds, idempotency, outbox, now });
  return {
    ...createDynamoAccounts(dynamo, now),
    ...createDynamoTotals(dynamo),
    ...createDynamoPaces(dynamo, now),
    ...createDynamoKeys(dynamo, idempotency, now),
    ...createDynamoUploads(dynamo, idempotency, now),
    ...createDynamoJobs(dynamo, { funds, idempotency, outbox, batches, now }),
    ...batches.verbs,
    ...outbox.verbs,
    findIdempotent: idempotency.find,
  };
}
