import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { StateStore } from '../../ports.ts';
import type { RateLimits } from '../../rate-limits.ts';
import { STATE, tellTrouble } from './aws-trouble.ts';
import { createDynamoAccounts } from './dynamo-accounts.ts';
import { createDynamoKeys } from './dynamo-api-keys.ts';
import { createDynamoBatches } from './dynamo-batches.ts';
import { createDynamoClearing } from './dynamo-clearing.ts';
import { createDynamoForgetting } from './dynamo-forgetting.ts';
import { createFunds } from './dynamo-funds.ts';
import { createIdempotency } from './dynamo-idempotency.ts';
import { createDynamoJobs } from './dynamo-jobs.ts';
import { createDynamoOutbox } from './dynamo-outbox.ts';
import { createDynamoPaces } from './dynamo-paces.ts';
import { createQuotas } from './dynamo-quotas.ts';
import { createDynamoTotals } from './dynamo-totals.ts';
import { openTable } from './dynamo-transaction.ts';
import { createDynamoUploads } from './dynamo-uploads.ts';

interface Options {
  client: DynamoDBClient;
  /** Of a table as in dynamo-table.ts. */
  table: string;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Limits of accounts. Default: none. */
  limits?: RateLimits | undefined;
}

/**
 * Durable state in one table of DynamoDB. Each verb reads the items that it decides on, applies the pure rules of the
 * core, and writes all of it in one transaction that holds only if nothing of it has changed; else it begins again.
 */
export function createDynamoStateStore({ client, table, now, limits }: Options): StateStore {
  const dynamo = openTable(tellTrouble(client, STATE), table);
  const idempotency = createIdempotency(dynamo, now);
  const quotas = createQuotas(dynamo, limits, now);
  const funds = createFunds(dynamo, quotas, limits);
  const uploads = createDynamoUploads(dynamo, { idempotency, limits, now });
  const outbox = createDynamoOutbox(dynamo, { idempotency, quotas, now });
  const batches = createDynamoBatches(dynamo, { funds, idempotency, outbox, now });
  return {
    ...createDynamoAccounts(dynamo, now),
    ...createDynamoTotals(dynamo),
    ...createDynamoPaces(dynamo, now),
    ...createDynamoClearing(dynamo, now),
    ...createDynamoForgetting(dynamo),
    ...createDynamoKeys(dynamo, { idempotency, quotas, now }),
    ...uploads.verbs,
    ...createDynamoJobs(dynamo, { funds, idempotency, outbox, batches, uploads, now }),
    ...batches.verbs,
    ...outbox.verbs,
    findIdempotent: idempotency.find,
  };
}
