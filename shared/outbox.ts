import type { Batch } from './batch.ts';
import type { Delivery } from './delivery.ts';
import type { Endpoint, EndpointChange } from './endpoint.ts';
import { createId } from './id.ts';
import { isTerminal, type Job } from './job.ts';
import type { EventType, JobWebhook } from './webhook-event.ts';

/**
 * Deliveries due because a job went from `before` (null: it is new) to `after`; stored in the same transaction, so that
 * each event has one id, even after a crash. `endpoints`: of the account. Pure but for the ids.
 */
export function deliveriesOf(before: Job | null, after: Job, endpoints: readonly Endpoint[], now: number): Delivery[] {
  const { account, test, end_user, id: job_id, fetch_url, deliver } = after;
  const about = { account, ...(test && { test }), ...(end_user !== undefined && { end_user }), job_id };
  const deliveries = webhooksOf(before, after, endpoints, now);
  if (!before && fetch_url) deliveries.push({ ...newDelivery(now), ...about, kind: 'input', url: fetch_url });
  const hasSucceeded = after.status === 'succeeded' && before !== null && before.status !== 'succeeded';
  if (hasSucceeded && deliver) {
    deliveries.push({ ...newDelivery(now), ...about, kind: 'result', url: deliver.url });
  }
  return deliveries;
}

/** Whether `deliveriesOf` needs the endpoints of the account at all. */
export function eventOf(before: Job | null, after: Job): EventType | undefined {
  if (!before) return undefined;
  if (isTerminal(after)) return isTerminal(before) ? undefined : endOf(after);
  if (after.status === 'starting' && after.attempt === 1 && before.attempt === 0) return 'job.started';
  return after.progress_told_at === before.progress_told_at ? undefined : 'job.progressed';
}

/**
 * Whether the outcome of the delivery changes the endpoint: the own URL of a job says nothing about the endpoint that
 * signs, and an endpoint that took later messages is not dead.
 */
export function concernsEndpoint(
  change: EndpointChange,
  { url, created_at, attempts }: Delivery,
  endpoint: Endpoint,
): boolean {
  if (url !== undefined) return false;
  const isGone = attempts.at(-1)?.status === 410;
  return change.type !== 'disable' || isGone || (endpoint.last_success_at ?? '') < created_at;
}

function endOf({ status }: Job): EventType {
  return `job.${status as 'succeeded' | 'failed' | 'canceled' | 'expired'}`;
}

function webhooksOf(before: Job | null, after: Job, endpoints: readonly Endpoint[], now: number): Delivery[] {
  const type = eventOf(before, after);
  if (!type) return [];
  const body = bodyOf(type, after, now);
  const { account, test, id: job_id } = after;
  // Of a batch the endpoints are told as a whole.
  const listeners = after.batch_id ? endpoints.map((endpoint) => ({ ...endpoint, events: [] })) : endpoints;
  const targets = targetsOf(type, after.webhook, listeners);
  return targets.map((target) => webhookDelivery({ ...target, account, test, job_id, type, body }, now));
}

/** Deliveries due because the last job of the batch has ended. Pure but for the ids. */
export function deliveriesOfBatch(batch: Batch, endpoints: readonly Endpoint[], now: number): Delivery[] {
  const type = 'batch.completed';
  const { account, end_user: _user, webhook, ...data } = batch;
  const { test } = data;
  const body = JSON.stringify({ type, timestamp: new Date(now).toISOString(), data });
  const targets = targetsOf(type, webhook, endpoints);
  return targets.map((target) => webhookDelivery({ ...target, account, test, type, body }, now));
}

/** `own`: where the job or batch itself wants to be told of. */
function targetsOf(type: EventType, own: JobWebhook | undefined, endpoints: readonly Endpoint[]) {
  const targets: { endpoint_id: string; url?: string }[] = endpoints
    .filter(({ id, url, events, disabled_at }) => {
      const isChosen = own !== undefined && own.url === undefined && own.endpoint_id === id;
      return url !== undefined && disabled_at === undefined && (isChosen ? own.events : events).includes(type);
    })
    .map(({ id }) => ({ endpoint_id: id }));
  if (own?.url !== undefined && own.events.includes(type)) {
    targets.push({ endpoint_id: own.endpoint_id, url: own.url });
  }
  return targets;
}

/** A webhook that is due now. */
export function webhookDelivery(
  {
    test,
    ...given
  }: Pick<Delivery, 'account' | 'type' | 'body' | 'test'> & { endpoint_id: string; url?: string; job_id?: string },
  now: number,
): Delivery {
  return { ...newDelivery(now), kind: 'webhook', ...given, ...(test && { test }) };
}

function newDelivery(now: number) {
  const created_at = new Date(now).toISOString();
  return {
    id: createId('msg', now),
    status: 'pending',
    created_at,
    attempts: [],
    tries: 0,
    claim: 0,
    due_at: now,
  } as const satisfies Partial<Delivery>;
}

/** Thin, so that no receiver refuses it for its size: a receiver that wants more asks for the job. */
function bodyOf(type: EventType, job: Job, now: number): string {
  const { id, status, version, test, client_reference, batch_id, created_at, finished_at, progress, error } = job;
  const data = {
    id,
    status,
    version,
    ...(test && { test }),
    ...(client_reference && { client_reference }),
    ...(batch_id && { batch_id }),
    created_at,
    ...(finished_at && { finished_at }),
    ...(type === 'job.progressed' && { progress }),
    ...(error && { error: { code: error.code, retryable: error.retryable } }),
  };
  return JSON.stringify({ type, timestamp: new Date(now).toISOString(), data });
}
