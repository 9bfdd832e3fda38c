import { AppError, toProblem } from './error.ts';
import { withoutWords } from './forget.ts';
import { isTerminal, type Job, type JobEvent, type JobInput, type ScreenCopies, settleParameters } from './job.ts';
import {
  FILE_LOOK_SECONDS,
  LEASE_SECONDS,
  LOST_MESSAGE_SECONDS,
  MAX_ATTEMPTS,
  MAX_FILE_LOOK_SECONDS,
  MAX_LOST_MESSAGE_SECONDS,
  MAX_QUEUED_SECONDS,
  RESEND_SECONDS,
  UPLOAD_URL_SECONDS,
} from './limits.ts';
import { workOf } from './pace.ts';
import { PROGRESS_EVENT_SECONDS } from './webhook-event.ts';

/** One row a job and kind: `capture` and `release` can each happen once, and exclude one another. */
export type LedgerKind = 'reserve' | 'capture' | 'release';

export interface Transition {
  job: Job;
  /** The ledger row that must be written with the job, in one transaction. */
  ledger?: LedgerKind;
}

type NewJob = Pick<
  Job,
  | 'id'
  | 'account'
  | 'key_id'
  | 'token_id'
  | 'end_user'
  | 'test'
  | 'upload_id'
  | 'input_key'
  | 'input'
  | 'parameters'
  | 'format_open'
  | 'task'
  | 'retention_hours'
  | 'terms'
  | 'rate'
  | 'client_reference'
  | 'idempotency_key'
  | 'webhook'
  | 'fetch_url'
  | 'deliver'
  | 'batch_id'
  | 'cancel_at'
  | 'live_previews'
> & { price: number };

/**
 * A job before its first event: queued, with `price` to be reserved, when its upload is there (`input` given), else
 * awaiting it, and then its price is not known.
 */
export function createJob({ price, ...given }: NewJob, now: number): Job {
  const job: Job = {
    ...given,
    status: given.input ? 'queued' : 'awaiting_upload',
    version: 1,
    attempt: 0,
    failures: 0,
    created_at: iso(now),
    charge: given.input ? { state: 'reserved', amount: price } : { state: 'pending', amount: 0 },
    ...(given.input && measureWork(given, given.input)),
  };
  return withDueTime(job, now);
}

/**
 * The whole life of a job as a pure function. Never changes its argument.
 * `now`: milliseconds since 1970. Returns the same object when nothing changes.
 * An event that an attempt tells twice, since the first answer was lost, changes nothing.
 * Throws AppError: `already-finished`, `not-finished`, `lease-held`, `lease-lost`, `conflict`, `gone`.
 */
export function applyEvent(job: Job, event: JobEvent, now: number): Transition {
  if (job.deleted_at && event.type !== 'purge')
    throw new AppError('gone', `Job ${job.id} was deleted at ${job.deleted_at}.`);
  const next = step(job, event, now);
  return next.job === job ? next : { ...next, job: withDueTime(next.job, now) };
}

function step(job: Job, event: JobEvent, now: number): Transition {
  switch (event.type) {
    case 'uploaded':
      if (job.status !== 'awaiting_upload') return { job };
      return {
        job: visible(job, {
          status: 'queued',
          input: event.input,
          parameters: settleParameters(job, event.input),
          charge: { state: 'reserved', amount: event.price },
          ...measureWork(job, event.input),
          ...(event.rate && { rate: event.rate }),
        }),
        ledger: 'reserve',
      };
    case 'sent':
      return { job: markSent(job, now) };
    case 'claim':
      return claim(job, event, now);
    case 'heartbeat':
      return { job: { ...owned(job, event.attempt), lease_until: leaseUntil(now) } };
    case 'progress':
      return progress(owned(job, event.attempt), event, now);
    case 'checkpoint':
      return { job: { ...owned(job, event.attempt), checkpoint: event.checkpoint } };
    case 'succeed':
      return isRepeat(job, event) ? { job } : succeed(owned(job, event.attempt), event, now);
    case 'fail':
      return isRepeat(job, event) ? { job } : fail(job, event, now);
    case 'give_back':
      return isRepeat(job, event) ? { job } : giveBack(owned(job, event.attempt), event.error, now);
    case 'cancel':
      return cancel(job, now);
    case 'missing':
      // Later by a look than before.
      return { job: job.status === 'awaiting_upload' && now < uploadDeadline(job) ? { ...job } : job };
    case 'expire':
      if (job.status !== 'awaiting_upload') throw new AppError('conflict', `Job ${job.id} is ${job.status}.`);
      return end(job, 'expired', now);
    case 'delivered':
      return { job: job.delivery ? visible(job, { delivery: event.delivery }) : job };
    case 'deadline':
      return deadline(job, now);
    case 'purge':
      return { job: purge(job, now) };
    case 'delete':
      if (!isTerminal(job)) throw new AppError('not-finished', `Job ${job.id} is ${job.status}: cancel it first.`);
      return { job: markDeleted(job, now) };
  }
}

/** Kept, so that the amount counted when it was queued is taken away in the end, by any version. */
function measureWork({ parameters, test }: Pick<Job, 'parameters' | 'test'>, input: JobInput): Pick<Job, 'work'> {
  return test ? {} : { work: Math.round(1e6 * workOf(input, parameters)) };
}

/** A job whose worker was lost is requeued too; ending its lease now puts off the next time. */
function markSent(job: Job, now: number): Job {
  if (job.status === 'queued') {
    if (job.sent_at && now < sendAgainAt(job.sent_at, job)) return job;
    return { ...job, sent_at: stamp(job, now), sends: (job.sends ?? 0) + 1 };
  }
  const lost = (job.status === 'starting' || job.status === 'running') && isLeaseOver(job, now);
  return lost ? { ...job, lease_until: now } : job;
}

/** The attempt has told its end already, and does not know whether it was heard. */
function isRepeat(job: Job, event: Extract<JobEvent, { type: 'succeed' | 'fail' | 'give_back' }>): boolean {
  if (job.attempt !== event.attempt) return false;
  if (job.status === 'canceled') return job.cancel_requested === true;
  if (event.type === 'succeed') return job.status === 'succeeded' && job.output?.key === event.output?.key;
  if (job.status === 'failed') return job.error?.code === event.error?.code;
  return event.type === 'give_back' && job.status === 'queued';
}

function claim(job: Job, { by }: Extract<JobEvent, { type: 'claim' }>, now: number): Transition {
  if (isTerminal(job)) throw new AppError('already-finished', `Job ${job.id} is ${job.status}.`);
  if (job.status === 'awaiting_upload') throw new AppError('conflict', `Job ${job.id} has no input yet.`);
  if (job.status === 'starting' && by !== undefined && job.claimed_by === by) return { job };
  if (job.status !== 'queued' && !isLeaseOver(job, now)) {
    throw new AppError('lease-held', `Attempt ${job.attempt} of job ${job.id} is running.`);
  }
  if (job.cancel_requested) return end(job, 'canceled', now);
  if (isTooLate(job, now)) return end(job, job.attempt === 0 ? 'expired' : 'canceled', now);
  const { progress: _stale, live_preview: _erased, cold_start: _past, claimed_by: _other, ...rest } = job;
  return {
    job: visible(rest, {
      status: 'starting',
      attempt: job.attempt + 1,
      ...(by !== undefined && { claimed_by: by }),
      lease_until: leaseUntil(now),
      started_at: job.started_at ?? stamp(job, now),
    }),
  };
}

function progress(job: Job, event: Extract<JobEvent, { type: 'progress' }>, now: number): Transition {
  const { progress, live_preview = job.live_preview } = event;
  const changed =
    job.status !== 'running' ||
    job.progress?.stage !== progress.stage ||
    job.progress.percent !== progress.percent ||
    job.live_preview?.number !== live_preview?.number;
  const next: Job = {
    ...job,
    status: 'running',
    progress,
    ...(live_preview && { live_preview }),
    ...(progress.stage === 'load' && { cold_start: true as const }),
    lease_until: leaseUntil(now),
  };
  if (!changed) return { job: next };
  const isNews = now - (job.progress_told_at ?? 0) >= PROGRESS_EVENT_SECONDS * 1000;
  return { job: visible(next, isNews ? { progress_told_at: now } : {}) };
}

function succeed(job: Job, event: Extract<JobEvent, { type: 'succeed' }>, now: number): Transition {
  if (job.cancel_requested) return end(job, 'canceled', now);
  const expires_at = iso(Date.parse(stamp(job, now)) + job.retention_hours * 3_600_000);
  return end(job, 'succeeded', now, {
    ...(event.output && { output: { ...event.output, expires_at } }),
    ...(job.deliver && { delivery: { status: 'pending' } as const }),
    ...(event.run && { run: event.run }),
    ...(event.notes.length > 0 && { notes: event.notes }),
    ...(event.description && { description: event.description }),
    ...(event.fidelity_report && { fidelity_report: event.fidelity_report }),
    ...(event.heatmap && { heatmap: event.heatmap }),
    ...(event.photo_webp && { photo_webp: event.photo_webp }),
    ...(event.output_webp && { output_webp: event.output_webp }),
  });
}

function fail(job: Job, event: Extract<JobEvent, { type: 'fail' }>, now: number): Transition {
  if (event.attempt !== undefined) owned(job, event.attempt);
  else if (isTerminal(job)) throw new AppError('already-finished', `Job ${job.id} is ${job.status}.`);
  else if ((job.status === 'starting' || job.status === 'running') && !isLeaseOver(job, now)) {
    throw new AppError('lease-held', `Attempt ${job.attempt} of job ${job.id} is running.`);
  }
  if (job.cancel_requested) return end(job, 'canceled', now);
  return end(job, 'failed', now, { error: toProblem(event.error) });
}

function giveBack(job: Job, error: AppError | undefined, now: number): Transition {
  if (job.cancel_requested) return end(job, 'canceled', now);
  const failures = job.failures + (error ? 1 : 0);
  if (error && failures >= MAX_ATTEMPTS) return end({ ...job, failures }, 'failed', now, { error: toProblem(error) });
  const { progress: _stale, live_preview: _erased, lease_until: _over, claimed_by: _worker, ...rest } = job;
  return { job: visible(rest, { status: 'queued', failures, sent_at: stamp(job, now), sends: 1 }) };
}

function cancel(job: Job, now: number): Transition {
  if (job.status === 'canceled') return { job };
  if (isTerminal(job)) throw new AppError('already-finished', `Job ${job.id} is ${job.status}.`);
  if (job.status === 'awaiting_upload' || job.status === 'queued') return end(job, 'canceled', now);
  return { job: job.cancel_requested ? job : visible(job, { cancel_requested: true }) };
}

/**
 * A job that nobody has started expires; one that runs is canceled. A caller that waits in vain for workers is told.
 */
function deadline(job: Job, now: number): Transition {
  if (job.status === 'queued' && givenUpAt(job) <= now) {
    const days = MAX_QUEUED_SECONDS / 86_400;
    const error = new AppError('unavailable', `The job has waited ${days} days for a worker, and is given up.`);
    return end(job, 'failed', now, { error: toProblem(error) });
  }
  if (isTerminal(job) || !isTooLate(job, now)) return { job };
  return job.attempt === 0 ? end(job, 'expired', now) : cancel(job, now);
}

function isTooLate({ cancel_at }: Job, now: number): boolean {
  return cancel_at !== undefined && Date.parse(cancel_at) <= now;
}

/**
 * The attempt is the fence: an attempt that lost the job to another one cannot write. A lease that merely ran out (a
 * laptop that slept, a clock that jumped) is no loss as long as nobody else took the job.
 */
function owned(job: Job, attempt: number): Job {
  if ((job.status !== 'starting' && job.status !== 'running') || job.attempt !== attempt) {
    throw new AppError(
      'lease-lost',
      `Attempt ${attempt} no longer holds job ${job.id}: it is ${job.status}, attempt ${job.attempt}.`,
    );
  }
  return job;
}

function end(
  job: Job,
  status: 'succeeded' | 'failed' | 'canceled' | 'expired',
  now: number,
  result: Pick<Job, 'output' | 'error' | 'notes' | 'description' | 'fidelity_report' | 'heatmap' | 'delivery'> &
    ScreenCopies = {},
): Transition {
  const { live_preview: _erased, checkpoint: _useless, lease_until: _over, claimed_by: _worker, ...rest } = job;
  const captured = status === 'succeeded';
  return {
    job: visible(rest, {
      ...result,
      status,
      finished_at: stamp(job, now),
      charge: { ...job.charge, state: captured ? 'captured' : 'released' },
      ...(captured && { progress: { stage: 'upload', percent: 100 } }),
    }),
    // An amount that was never reserved cannot be released.
    ...(job.charge.state === 'reserved' && { ledger: captured ? 'capture' : 'release' }),
  };
}

/** The user's own words and the description of the photo go at once; the objects go with `purge`. */
function markDeleted(job: Job, now: number): Job {
  const { run: _run, delivery: _delivery, ...rest } = withoutWords(job);
  return visible(rest, { deleted_at: stamp(job, now) });
}

/** The words about a result go together with the things that are kept as long as it. */
function purge(job: Job, now: number): Job {
  if (!isTerminal(job)) throw new AppError('not-finished', `Job ${job.id} is ${job.status}.`);
  if (job.purged_at) return job;
  const { output: _output, heatmap: _heatmap, photo_webp: _photo, output_webp: _shown, ...rest } = withoutWords(job);
  return visible(rest, { purged_at: stamp(job, now) });
}

function visible(job: Job, change: Partial<Job>): Job {
  return { ...job, ...change, version: job.version + 1 };
}

/** When the reaper must look: something is overdue that ought to have happened by itself. */
function dueAt(job: Job, now: number): number | undefined {
  if (job.purged_at) return undefined;
  if (job.deleted_at) return now;
  switch (job.status) {
    case 'awaiting_upload':
      return Math.min(lookAgainAt(job, now), uploadDeadline(job));
    case 'queued':
      return job.sent_at ? Math.min(sendAgainAt(job.sent_at, job), givenUpAt(job)) : now + RESEND_SECONDS * 1000;
    case 'starting':
    case 'running':
      return (job.lease_until ?? now) + RESEND_SECONDS * 1000;
    default:
      return job.output
        ? Date.parse(job.output.expires_at)
        : Date.parse(job.finished_at!) + job.retention_hours * 3_600_000;
  }
}

function withDueTime(job: Job, now: number): Job {
  const { due_at: _old, ...rest } = job;
  const own = dueAt(job, now);
  const isLimited = job.cancel_at !== undefined && !job.cancel_requested && !isTerminal(job);
  const due = isLimited ? Math.min(own ?? Number.POSITIVE_INFINITY, Date.parse(job.cancel_at!)) : own;
  return due === undefined ? rest : { ...rest, due_at: due };
}

/** The longer the file has not come, the more rarely. */
function lookAgainAt({ created_at }: Job, now: number): number {
  const waited = now - Date.parse(created_at);
  return now + Math.min(Math.max(waited, FILE_LOOK_SECONDS * 1000), MAX_FILE_LOOK_SECONDS * 1000);
}

function uploadDeadline({ created_at }: Job): number {
  return Date.parse(created_at) + (UPLOAD_URL_SECONDS + RESEND_SECONDS) * 1000;
}

function sendAgainAt(sentAt: string, { sends = 1 }: Job): number {
  return Date.parse(sentAt) + Math.min(LOST_MESSAGE_SECONDS * 2 ** (sends - 1), MAX_LOST_MESSAGE_SECONDS) * 1000;
}

function givenUpAt({ created_at }: Job): number {
  return Date.parse(created_at) + MAX_QUEUED_SECONDS * 1000;
}

function isLeaseOver(job: Job, now: number): boolean {
  return (job.lease_until ?? 0) <= now;
}

function leaseUntil(now: number): number {
  return now + LEASE_SECONDS * 1000;
}

/** Several machines write into a job, whose clocks differ: a later event is never told as earlier. */
function stamp({ created_at, started_at, finished_at, deleted_at }: Job, now: number): string {
  const known = [created_at, started_at, finished_at, deleted_at].filter((time) => time !== undefined);
  return iso(Math.max(now, ...known.map(Date.parse)));
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
