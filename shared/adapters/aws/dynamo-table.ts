/**
 * The one table that holds all state, in the words of SST's `Dynamo` component. Every kind of item is described beside
 * its key in dynamo-items.ts.
 *
 * Indexes are sparse: an item is in one when it has the attribute of its hash key. They hold keys only, and the items
 * that they name are read again from the table itself, so that nothing old is ever told; they can only lag behind with
 * new items.
 */
export const STATE_TABLE = {
  fields: {
    pk: 'string',
    sk: 'string',
    /** Order in every index but `due`: an id, which sorts by time of creation. */
    sort: 'string',
    list_of: 'string',
    status_of: 'string',
    upload_of: 'string',
    reference_of: 'string',
    request_of: 'string',
    user_of: 'string',
    job_of: 'string',
    endpoint_of: 'string',
    queued_of: 'string',
    due_of: 'string',
    /** Milliseconds since 1970. */
    due_at: 'number',
  },
  primaryIndex: { hashKey: 'pk', rangeKey: 'sk' },
  globalIndexes: {
    /** Jobs, deleted jobs, webhooks and keys of an account; accounts. */
    list: { hashKey: 'list_of', rangeKey: 'sort', projection: 'keys-only' },
    /** Jobs of an account by status, upload, client reference, idempotency key and end user. */
    status: { hashKey: 'status_of', rangeKey: 'sort', projection: 'keys-only' },
    upload: { hashKey: 'upload_of', rangeKey: 'sort', projection: 'keys-only' },
    reference: { hashKey: 'reference_of', rangeKey: 'sort', projection: 'keys-only' },
    request: { hashKey: 'request_of', rangeKey: 'sort', projection: 'keys-only' },
    user: { hashKey: 'user_of', rangeKey: 'sort', projection: 'keys-only' },
    /** Webhooks about a job. */
    job: { hashKey: 'job_of', rangeKey: 'sort', projection: 'keys-only' },
    /** Webhooks of an endpoint. */
    endpoint: { hashKey: 'endpoint_of', rangeKey: 'sort', projection: 'keys-only' },
    /** Queued jobs of all accounts, in SHARDS parts. */
    queued: { hashKey: 'queued_of', rangeKey: 'sort', projection: 'keys-only' },
    /** Items that somebody must look at, in SHARDS parts. `target`: sender and receiver of a delivery. */
    due: { hashKey: 'due_of', rangeKey: 'due_at', projection: ['target'] },
  },
  /** In seconds since 1970. Deletes days late, so that every reader compares the time itself. */
  ttl: 'expires_at_seconds',
} as const;

/** Items that all accounts write to are spread over so many partitions, each of which takes 1,000 writes a second. */
export const SHARDS = 8;
