import type { AttemptResult, Delivery } from '../../shared/delivery.ts';
import { AppError } from '../../shared/error.ts';
import type { StateStore } from '../../shared/ports.ts';
import { isStorageFull } from '../../shared/storage-room.ts';
import { asStoreError, isStoreError } from '../../shared/store-error.ts';
import type { NotifyDependencies } from './dependencies.ts';
import { fetchInput } from './fetch-input.ts';
import { sendResult } from './send-result.ts';
import { sendWebhook } from './send-webhook.ts';

/**
 * A state that does not answer, or has no room, is told the result of an attempt again for so long. An attempt without a result counts
 * as lost, and five of these would give up a message that the receiver has long taken.
 */
const RECORD_MILLISECONDS = 10_000;
const FIRST_PAUSE_MILLISECONDS = 50;
/** Deliveries under way at once, and one more for each line that has none (shared/lanes.ts). */
const LANES = 100;
const IDLE_MILLISECONDS = 500;
/** Until it is asked again whether anything can be stored. */
const STORAGE_FULL_MILLISECONDS = 5_000;

/** Sends and fetches all that is due, until `stop` is aborted and all under way has ended. Nothing makes it throw. */
export async function runNotifier(deps: NotifyDependencies, stop: AbortSignal): Promise<void> {
  await deliver(deps, stop, { lanes: LANES, isDone: () => false });
}

/**
 * All that is due until nothing is, and nothing is under way, or `stop` is aborted: for a function that is woken when
 * there is something. Throws the first error at the end, when everything else was tried.
 */
export async function notifyDue(deps: NotifyDependencies, stop: AbortSignal, lanes: number): Promise<void> {
  const failure = await deliver(deps, stop, { lanes, isDone: (underway) => underway === 0 });
  if (failure !== undefined) throw failure;
}

interface Round {
  lanes: number;
  /** Asked when nothing is due. */
  isDone: (underway: number) => boolean;
}

/** Returns the first error. */
async function deliver(deps: NotifyDependencies, stop: AbortSignal, { lanes, isDone }: Round): Promise<unknown> {
  const underway = new Set<Promise<void>>();
  let failure: unknown;
  let hasOneEnded = false;
  let wake = () => {};

  function note(thrown: unknown): unknown {
    const error = asStoreError(thrown);
    failure ??= error;
    // The claim ends, and the delivery comes again. The store may be closed by now when the service stops.
    if (!stop.aborted) deps.log.error('notify.failed', { error });
    return error;
  }

  function start(delivery: Delivery): void {
    const attempt = notify(deps, delivery)
      .catch(note)
      .then(() => {
        underway.delete(attempt);
        hasOneEnded = true;
        wake();
      });
    underway.add(attempt);
  }

  while (!stop.aborted) {
    let idle = IDLE_MILLISECONDS;
    hasOneEnded = false;
    const delivery = await deps.state.claimDelivery(lanes - underway.size).catch((thrown: unknown) => {
      if (isStorageFull(note(thrown))) idle = STORAGE_FULL_MILLISECONDS;
      return null;
    });
    if (delivery) start(delivery);
    // There may be a lane now for a delivery that had none.
    else if (hasOneEnded) continue;
    else if (isDone(underway.size)) break;
    else {
      const anEnd = new Promise<void>((resolve) => {
        wake = resolve;
      });
      await Promise.race([pause(idle, stop), anEnd]);
    }
  }
  await Promise.all(underway);
  return failure;
}

/** One attempt of the most overdue delivery. False: nothing is due. */
export async function notifyOnce(deps: NotifyDependencies): Promise<boolean> {
  const delivery = await deps.state.claimDelivery();
  if (delivery) await notify(deps, delivery);
  return delivery !== null;
}

async function notify(deps: NotifyDependencies, delivery: Delivery): Promise<void> {
  const { state, log } = deps;
  const started = performance.now();
  const startedAt = deps.now();
  if (delivery.lost) log.warn('delivery.cut-off', { id: delivery.id, kind: delivery.kind, times: delivery.lost });
  let trouble: AppError | undefined;
  const result = await attempt(deps, delivery).catch((thrown: unknown): Omit<AttemptResult, 'milliseconds'> => {
    const error = asStoreError(thrown);
    if (!isStoreError(error)) return asFailure(deps, delivery, error);
    trouble = error;
    return { outcome: 'put_off', error: error.message };
  });
  const milliseconds = Math.round(performance.now() - started);
  const { id, kind, job_id, endpoint_id, type } = delivery;
  try {
    const after = await record(state, delivery, { ...result, milliseconds });
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
  if (trouble) throw trouble;
}

async function record(state: StateStore, delivery: Delivery, result: AttemptResult): Promise<Delivery> {
  const deadline = performance.now() + RECORD_MILLISECONDS;
  for (let wait = FIRST_PAUSE_MILLISECONDS; ; wait *= 2) {
    try {
      return await state.recordAttempt(delivery, result);
    } catch (error) {
      if (!isStoreError(asStoreError(error)) || performance.now() + wait > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

/** Its owner sees it in the endpoint, with the reason; the operator in the log and in `/metrics`. */
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

/** The obstacle may be over the next time: names and networks change. */
function asFailure({ log }: NotifyDependencies, { id }: Delivery, error: unknown): Omit<AttemptResult, 'milliseconds'> {
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
