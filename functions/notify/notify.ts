import type { AttemptResult, Delivery } from '../../shared/delivery.ts';
import { AppError } from '../../shared/error.ts';
import type { Limits } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { Outbound } from '../../shared/outbound.ts';
import type { JobQueue, ObjectStore, StateStore } from '../../shared/ports.ts';
import type { PriceList } from '../../shared/pricing.ts';
import { isStorageFull, type StorageRoom } from '../../shared/storage-room.ts';
import { asStoreError, isStoreError } from '../../shared/store-error.ts';
import { fetchInput } from './fetch-input.ts';
import { sendResult } from './send-result.ts';
import { sendWebhook } from './send-webhook.ts';

export interface NotifyDependencies {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  limits: Limits;
  prices: PriceList;
  outbound: Outbound;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Where inputs are kept. Default: as much as there is need for. */
  room?: StorageRoom;
  /** Of one webhook. */
  timeoutSeconds?: number;
}

/** So many deliveries are under way at once: one takes as long as its receiver likes, up to its time limit. */
const LANES = 6;
const IDLE_MILLISECONDS = 500;
/** Until it is asked again whether anything can be stored. */
const STORAGE_FULL_MILLISECONDS = 5_000;

/** Sends and fetches what is due, until `stop` is aborted and what is under way has ended. Nothing makes it throw. */
export async function runNotifier(deps: NotifyDependencies, stop: AbortSignal): Promise<void> {
  await Promise.all(Array.from({ length: LANES }, () => runLane(deps, stop)));
}

/** What is due now, until nothing is or `stop` is aborted: for a function that is woken when there is something. */
export async function notifyDue(deps: NotifyDependencies, stop: AbortSignal): Promise<void> {
  const lane = async () => {
    while (!stop.aborted && (await notifyOnce(deps)));
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

async function runLane(deps: NotifyDependencies, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    let idle = IDLE_MILLISECONDS;
    const didSomething = await notifyOnce(deps).catch((thrown: unknown) => {
      const error = asStoreError(thrown);
      if (isStorageFull(error)) idle = STORAGE_FULL_MILLISECONDS;
      // The claim ends, and the delivery comes again. Where the service stops, the store may be closed by now.
      if (!stop.aborted) deps.log.error('notify.failed', { error });
      return false;
    });
    if (!didSomething) await pause(idle, stop);
  }
}

/** One attempt of the most overdue delivery. False: nothing is due. */
export async function notifyOnce(deps: NotifyDependencies): Promise<boolean> {
  const { state, log } = deps;
  const delivery = await state.claimDelivery();
  if (!delivery) return false;
  const started = performance.now();
  const startedAt = deps.now();
  const result = await attempt(deps, delivery).catch((error: unknown) => asFailure(deps, delivery, error));
  const milliseconds = Math.round(performance.now() - started);
  const { id, kind, job_id, endpoint_id, type } = delivery;
  try {
    const after = await state.recordAttempt(delivery, { ...result, milliseconds });
    const { status, error } = result;
    log.info('delivery.attempt', {
      id,
      kind,
      job_id,
      endpoint_id,
      type,
      status,
      error,
      milliseconds,
      state: after.status,
    });
    if (kind === 'webhook' && after.status === 'failed') await tellWhetherDisabled(deps, delivery, startedAt);
  } catch (error) {
    // Erased with its endpoint or job meanwhile, or taken for lost and claimed by another.
    if (!(error instanceof AppError) || (error.code !== 'not-found' && error.code !== 'lease-lost')) throw error;
  }
  return true;
}

/** Its owner sees it in the endpoint, with the reason; who runs the service in the log and in `/metrics`. */
async function tellWhetherDisabled(
  { state, log }: NotifyDependencies,
  { account, endpoint_id = '', url }: Delivery,
  since: number,
): Promise<void> {
  const endpoint = url === undefined && (await state.getEndpoint(account, endpoint_id));
  if (!endpoint || endpoint.disabled_at === undefined || Date.parse(endpoint.disabled_at) < since) return;
  log.warn('endpoint.disabled', { account, endpoint_id, reason: endpoint.disabled_reason });
}

function attempt(deps: NotifyDependencies, delivery: Delivery): Promise<Omit<AttemptResult, 'milliseconds'>> {
  switch (delivery.kind) {
    case 'webhook':
      return sendWebhook(deps, delivery);
    case 'input':
      return fetchInput(deps, delivery);
    case 'result':
      return sendResult(deps, delivery);
  }
}

/** Whatever kept us from asking may be over the next time: names and networks change. */
function asFailure(
  { log }: NotifyDependencies,
  { id }: Delivery,
  thrown: unknown,
): Omit<AttemptResult, 'milliseconds'> {
  const error = asStoreError(thrown);
  if (isStoreError(error)) throw error; // no try of it: it comes again when the claim ends
  if (error instanceof AppError) return { outcome: 'retry', error: error.message };
  log.error('delivery.failed', { id, error });
  return { outcome: 'retry', error: 'Unexpected error on our side.' };
}

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    stop.addEventListener('abort', end);
    if (stop.aborted) end();
  });
}
