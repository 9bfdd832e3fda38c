import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../shared/error.ts';
import {
  isTerminal,
  type Job,
  type JobEvent,
  type JobStatus,
  jobStatusSchema,
  type Parameters,
} from '../../../shared/job.ts';
import { applyEvent, createJob, type LedgerKind } from '../../../shared/job-machine.ts';
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
} from '../../../shared/limits.ts';
import { SAMPLE_OUTPUT, SAMPLE_RUN, sampleJob } from '../../support/sample-job.ts';

const NOW = Date.parse('2026-01-01T00:00:00.000Z');
const INPUT = { width: 20, height: 10, bytes: 1234, format: 'png' } as const;
const ERROR = new AppError('engine-failed', 'The engine failed.');
const succeed = (attempt = 1, notes: string[] = []): JobEvent => ({
  type: 'succeed',
  attempt,
  output: SAMPLE_OUTPUT,
  notes,
});
const progress = (percent: number, attempt = 1): JobEvent => ({
  type: 'progress',
  attempt,
  progress: { percent, stage: 'upscale' },
});

/** A job after these events, each a second after the last. */
function jobAfter(events: JobEvent[], start = sampleJob(NOW, { client_reference: 'mine', price: 7 })): Job {
  return events.reduce((job, event, i) => applyEvent(job, event, NOW + i * 1000).job, start);
}

function codeOf(job: Job, event: JobEvent, now = NOW): string {
  try {
    applyEvent(job, event, now);
    return 'accepted';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

const CHECKPOINT: JobEvent = { type: 'checkpoint', attempt: 1, checkpoint: { key: 'out/a/j/1-checkpoint-1', step: 7 } };
const AWAITING = sampleJob(NOW, { input: undefined, price: 7 });
const JOBS: Record<JobStatus, Job> = {
  awaiting_upload: AWAITING,
  queued: jobAfter([]),
  starting: jobAfter([{ type: 'claim' }]),
  running: jobAfter([{ type: 'claim' }, progress(10)]),
  succeeded: jobAfter([{ type: 'claim' }, progress(10), succeed()]),
  failed: jobAfter([{ type: 'fail', error: ERROR }]),
  canceled: jobAfter([{ type: 'cancel' }]),
  expired: jobAfter([{ type: 'expire' }], AWAITING),
};

describe('every event in every status', () => {
  const done = 'already-finished';
  const lost = 'lease-lost';
  const EXPECTED: Record<string, [JobEvent, Record<JobStatus, string>]> = {
    uploaded: [
      { type: 'uploaded', input: INPUT, price: 7 },
      row('queued', 'same', 'same', 'same', 'same', 'same', 'same', 'same'),
    ],
    claim: [{ type: 'claim' }, row('conflict', 'starting', 'lease-held', 'lease-held', done, done, done, done)],
    heartbeat: [{ type: 'heartbeat', attempt: 1 }, row(lost, lost, 'starting', 'running', lost, lost, lost, lost)],
    checkpoint: [CHECKPOINT, row(lost, lost, 'starting', 'running', lost, lost, lost, lost)],
    progress: [progress(20), row(lost, lost, 'running', 'running', lost, lost, lost, lost)],
    // The last but three: the same end told again, of which the attempt has not heard that it was taken.
    succeed: [succeed(), row(lost, lost, 'succeeded', 'succeeded', 'same', lost, lost, lost)],
    fail: [{ type: 'fail', error: ERROR }, row('failed', 'failed', 'lease-held', 'lease-held', done, done, done, done)],
    'fail of an attempt': [
      { type: 'fail', attempt: 1, error: ERROR },
      row(lost, lost, 'failed', 'failed', lost, lost, lost, lost),
    ],
    give_back: [{ type: 'give_back', attempt: 1 }, row(lost, lost, 'queued', 'queued', lost, lost, lost, lost)],
    cancel: [{ type: 'cancel' }, row('canceled', 'canceled', 'starting', 'running', done, done, 'same', done)],
    missing: [{ type: 'missing' }, row('awaiting_upload', 'same', 'same', 'same', 'same', 'same', 'same', 'same')],
    expire: [{ type: 'expire' }, row('expired', ...(Array(7).fill('conflict') as string[]))],
    delete: [
      { type: 'delete' },
      row(...(Array(4).fill('not-finished') as string[]), 'succeeded', 'failed', 'canceled', 'expired'),
    ],
    purge: [
      { type: 'purge' },
      row(...(Array(4).fill('not-finished') as string[]), 'succeeded', 'failed', 'canceled', 'expired'),
    ],
  };

  /** In the order of the statuses: the status that follows, 'same' for the very same object, or the code of the error. */
  function row(...outcomes: string[]): Record<JobStatus, string> {
    return Object.fromEntries(jobStatusSchema.options.map((status, i) => [status, outcomes[i]])) as never;
  }

  for (const [name, [event, outcomes]] of Object.entries(EXPECTED)) {
    it.each(Object.entries(outcomes))(`${name} of a job that is %s: %s`, (status, outcome) => {
      const job = JOBS[status as JobStatus];
      const code = codeOf(job, event);
      if (code !== 'accepted') return expect(code).toBe(outcome);
      const next = applyEvent(job, event, NOW).job;
      expect(next === job ? 'same' : next.status).toBe(outcome);
    });
  }

  it('answers `gone` to everything but `purge` once the job was deleted', () => {
    const deleted = jobAfter([{ type: 'cancel' }, { type: 'delete' }]);
    for (const [name, [event]] of Object.entries(EXPECTED)) {
      expect(codeOf(deleted, event), name).toBe(name === 'purge' ? 'accepted' : 'gone');
    }
  });
});

describe('job', () => {
  it('begins queued when its input is known, else awaiting it', () => {
    const { status, version, attempt, failures, charge, due_at } = JOBS.queued;
    expect({ status, version, attempt, failures, charge }).toEqual({
      status: 'queued',
      version: 1,
      attempt: 0,
      failures: 0,
      charge: { state: 'reserved', amount: 7 },
    });
    expect(due_at).toBe(NOW + RESEND_SECONDS * 1000);
    expect(AWAITING).toMatchObject({ status: 'awaiting_upload', version: 1 });
    expect(AWAITING.due_at).toBe(NOW + FILE_LOOK_SECONDS * 1000);
  });

  it('that awaits its file is looked at ever more rarely, and a last time when no file can come any more', () => {
    const end = NOW + (UPLOAD_URL_SECONDS + RESEND_SECONDS) * 1000;
    let job = AWAITING;
    const looks: number[] = [];
    for (let now = job.due_at!; now < end; now = job.due_at!) {
      looks.push((now - NOW) / 1000);
      job = applyEvent(job, { type: 'missing' }, now).job;
      expect(job).toMatchObject({ status: 'awaiting_upload', version: 1 });
    }
    expect(looks.slice(0, 6)).toEqual([10, 20, 40, 70, 100, 130]);
    expect(Math.max(...looks.map((at, i) => at - (looks[i - 1] ?? 0)))).toBe(MAX_FILE_LOOK_SECONDS);
    expect(job.due_at).toBe(end);
    expect(applyEvent(job, { type: 'missing' }, end).job).toBe(job);
  });

  it('keeps its checkpoint from attempt to attempt, until it ends; no client sees it come', () => {
    const begun = jobAfter([{ type: 'claim' }, progress(10)]);
    const kept = jobAfter([CHECKPOINT], begun);
    expect(kept).toEqual({ ...begun, checkpoint: { key: 'out/a/j/1-checkpoint-1', step: 7 } });
    const next = jobAfter([{ type: 'give_back', attempt: 1 }, { type: 'claim' }], kept);
    expect(next).toMatchObject({ attempt: 2, checkpoint: kept.checkpoint });
    expect(jobAfter([{ ...succeed(), attempt: 2 } as JobEvent], next)).not.toHaveProperty('checkpoint');
  });

  it('is due later once the queue has it, and when its lease is over', () => {
    const sent = jobAfter([{ type: 'sent' }]);
    expect(sent).toMatchObject({ sent_at: new Date(NOW).toISOString(), version: 1 });
    expect(sent.due_at).toBe(NOW + LOST_MESSAGE_SECONDS * 1000);
    expect(applyEvent(sent, { type: 'sent' }, NOW + 1).job).toBe(sent);
    const claimed = applyEvent(sent, { type: 'claim' }, NOW).job;
    expect(claimed.lease_until).toBe(NOW + LEASE_SECONDS * 1000);
    expect(claimed.due_at).toBe(NOW + (LEASE_SECONDS + RESEND_SECONDS) * 1000);
  });

  it('that waits is sent again and again, ever more rarely, and always before the queue forgets', () => {
    let job = jobAfter([{ type: 'sent' }]);
    const pauses: number[] = [];
    for (let now = job.due_at!; now < NOW + MAX_QUEUED_SECONDS * 1000; now = job.due_at!) {
      pauses.push((now - Date.parse(job.sent_at!)) / 1000);
      expect(applyEvent(job, { type: 'sent' }, now - 1).job).toBe(job);
      expect(applyEvent(job, { type: 'deadline' }, now).job).toBe(job);
      job = applyEvent(job, { type: 'sent' }, now).job;
      expect(job).toMatchObject({ status: 'queued', version: 1, sent_at: new Date(now).toISOString() });
    }
    expect(pauses.slice(0, 4)).toEqual([1, 2, 4, 8].map((times) => times * LOST_MESSAGE_SECONDS));
    expect(Math.max(...pauses)).toBe(MAX_LOST_MESSAGE_SECONDS);
    expect(pauses.length).toBeLessThan(25);
  });

  it('that has waited for too long is given up, and gives the price back', () => {
    const sent = jobAfter([{ type: 'sent' }]);
    const end = NOW + MAX_QUEUED_SECONDS * 1000;
    expect(applyEvent(sent, { type: 'deadline' }, end - 1).job).toBe(sent);
    const { job, ledger } = applyEvent(sent, { type: 'deadline' }, end);
    expect(job).toMatchObject({ status: 'failed', error: { code: 'unavailable', retryable: true, charged: false } });
    expect(job.error?.detail).toBe('The job has waited 7 days for a worker, and is given up.');
    expect(ledger).toBe('release');
    const late = applyEvent(JOBS.running, { type: 'deadline' }, end).job;
    expect(late, 'a job that runs is waited for').toBe(JOBS.running);
  });

  it('that is given back has its message again, and waits from then on', () => {
    const waited = jobAfter([{ type: 'sent' }]);
    const again = applyEvent(waited, { type: 'sent' }, waited.due_at!).job;
    const claimed = applyEvent(again, { type: 'claim' }, NOW).job;
    const back = applyEvent(claimed, { type: 'give_back', attempt: 1 }, NOW).job;
    expect(back).toMatchObject({ sent_at: new Date(NOW).toISOString(), due_at: NOW + LOST_MESSAGE_SECONDS * 1000 });
  });

  it('remembers when it first started, and drops the progress of the attempt before', () => {
    const retried = jobAfter([{ type: 'claim' }, progress(40), { type: 'give_back', attempt: 1 }, { type: 'claim' }]);
    expect(retried).toMatchObject({ status: 'starting', attempt: 2, started_at: new Date(NOW).toISOString() });
    expect(retried.progress).toBeUndefined();
  });

  it.each([
    ['a worker whose clock is behind', -3600],
    ['a worker whose clock is ahead', 3600],
  ])('is never told to have ended before it began: by %s', (_, seconds) => {
    const job = sampleJob(NOW, { price: 7 });
    const claimed = applyEvent(job, { type: 'claim' }, NOW + seconds * 1000).job;
    const ended = applyEvent(claimed, succeed(), NOW + (seconds + 5) * 1000).job;
    const deleted = applyEvent(ended, { type: 'delete' }, NOW + 2000).job;
    const began = NOW + Math.max(0, seconds * 1000);
    const end = seconds < 0 ? NOW : began + 5000;
    const at = (time: number) => new Date(time).toISOString();
    expect(deleted).toMatchObject({
      created_at: at(NOW),
      started_at: at(began),
      finished_at: at(end),
      output: { expires_at: at(end + 24 * 3_600_000) },
      deleted_at: at(Math.max(end, NOW + 2000)),
    });
  });

  it('is taken over when the lease is over, exactly then', () => {
    const { lease_until } = JOBS.starting;
    expect(codeOf(JOBS.starting, { type: 'claim' }, lease_until! - 1)).toBe('lease-held');
    expect(applyEvent(JOBS.starting, { type: 'claim' }, lease_until!).job.attempt).toBe(2);
    expect(codeOf(JOBS.starting, { type: 'fail', error: ERROR }, lease_until! - 1)).toBe('lease-held');
    expect(applyEvent(JOBS.starting, { type: 'fail', error: ERROR }, lease_until!).job.status).toBe('failed');
  });

  it('lets its attempt go on after the lease ran out, as long as nobody took the job', () => {
    const late = NOW + 100 * LEASE_SECONDS * 1000;
    expect(applyEvent(JOBS.running, { type: 'heartbeat', attempt: 1 }, late).job).toMatchObject({
      lease_until: late + LEASE_SECONDS * 1000,
    });
    expect(applyEvent(JOBS.running, succeed(), late).job.status).toBe('succeeded');
    const taken = applyEvent(JOBS.running, { type: 'claim' }, late).job;
    expect(codeOf(taken, { type: 'heartbeat', attempt: 1 }, late)).toBe('lease-lost');
    expect(codeOf(taken, succeed(1), late)).toBe('lease-lost');
  });

  it('counts a version only for progress that a client can see', () => {
    const same = applyEvent(JOBS.running, progress(10), NOW).job;
    expect(same).toMatchObject({ version: JOBS.running.version, lease_until: NOW + LEASE_SECONDS * 1000 });
    expect(applyEvent(JOBS.running, progress(11), NOW).job.version).toBe(JOBS.running.version + 1);
  });

  it('succeeds with its output, its notes and the price', () => {
    const { job, ledger } = applyEvent(JOBS.running, succeed(1, ['a note']), NOW);
    expect(ledger).toBe('capture');
    expect(job).toMatchObject({
      output: { ...SAMPLE_OUTPUT, expires_at: new Date(NOW + 24 * 3_600_000).toISOString() },
      notes: ['a note'],
      charge: { state: 'captured', amount: 7 },
      progress: { percent: 100 },
      finished_at: new Date(NOW).toISOString(),
      due_at: NOW + 24 * 3_600_000,
    });
    expect(job.lease_until).toBeUndefined();
    expect(JOBS.succeeded.notes).toBeUndefined();
  });

  it('fails with a problem and gives the price back', () => {
    const { job, ledger } = applyEvent(JOBS.running, { type: 'fail', attempt: 1, error: ERROR }, NOW);
    expect(ledger).toBe('release');
    expect(job.error).toMatchObject({ code: 'engine-failed', detail: 'The engine failed.', charged: false });
    expect(job.charge).toEqual({ state: 'released', amount: 7 });
    // Its words are kept as long as a result would be.
    expect(job.due_at).toBe(NOW + 24 * 3_600_000);
  });

  it('fails after MAX_ATTEMPTS engine errors; draining workers do not count', () => {
    let job = JOBS.queued;
    for (let error = 1; error <= MAX_ATTEMPTS; error++) {
      job = jobAfter([{ type: 'claim' }], job);
      job = jobAfter([{ type: 'give_back', attempt: job.attempt }, { type: 'claim' }], job);
      job = jobAfter([{ type: 'give_back', attempt: job.attempt, error: ERROR }], job);
      expect(job).toMatchObject({ failures: error, status: error < MAX_ATTEMPTS ? 'queued' : 'failed' });
    }
    expect(job).toMatchObject({ attempt: 2 * MAX_ATTEMPTS, error: { code: 'engine-failed' } });
  });

  it.each<[string, JobEvent]>([
    ['succeed', succeed()],
    ['fail', { type: 'fail', attempt: 1, error: ERROR }],
    ['give_back', { type: 'give_back', attempt: 1, error: ERROR }],
  ])('that was asked to stop is canceled without charge when its attempt ends by %s', (_name, event) => {
    const asked = applyEvent(JOBS.running, { type: 'cancel' }, NOW).job;
    expect(asked).toMatchObject({ status: 'running', cancel_requested: true, version: JOBS.running.version + 1 });
    expect(applyEvent(asked, { type: 'cancel' }, NOW).job).toBe(asked);
    const { job, ledger } = applyEvent(asked, event, NOW);
    expect(job).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
    expect(job.output).toBeUndefined();
    expect(ledger).toBe('release');
  });

  it('that was asked to stop is canceled, not run, by the next claim', () => {
    const asked = applyEvent(JOBS.running, { type: 'cancel' }, NOW).job;
    const { job, ledger } = applyEvent(asked, { type: 'claim' }, asked.lease_until!);
    expect(job).toMatchObject({ status: 'canceled', attempt: 1 });
    expect(ledger).toBe('release');
  });

  it('forgets the user’s words when deleted, is due for erasure, and then never again', () => {
    const deleted = applyEvent(JOBS.succeeded, { type: 'delete' }, NOW);
    expect(deleted.ledger).toBeUndefined();
    expect(JOBS.succeeded.client_reference).toBe('mine');
    expect(deleted.job).not.toHaveProperty('client_reference');
    expect(deleted.job.due_at).toBe(NOW);
    const tags: Parameters['tags'] = { mode: 'append', list: ['boy'] };
    const told = { prompt: 'my son', added_prompt: 'red', negative_prompt: 'hat', tags };
    const seen = { description: { prompt: 'my son, boy', truncated: false, tags: [] }, notes: ['first frame of 3'] };
    const described = { ...JOBS.succeeded, ...seen, parameters: { ...JOBS.succeeded.parameters, ...told } };
    expect(applyEvent(described, { type: 'delete' }, NOW).job).toEqual(deleted.job);
    const { job } = applyEvent(deleted.job, { type: 'purge' }, NOW + 3000);
    expect(job.purged_at).toBe(new Date(NOW + 3000).toISOString());
    expect(job.output).toBeUndefined();
    expect(job.due_at).toBeUndefined();
    expect(applyEvent(job, { type: 'purge' }, NOW).job).toBe(job);
  });
});

describe('personal data', () => {
  const WORDS = {
    client_reference: 'erika@example.org',
    idempotency_key: 'mail-to-erika',
    end_user: 'erika',
    fetch_url: 'https://erika.example/photo.jpg',
    deliver: { url: 'https://erika.example/put' },
    webhook: { endpoint_id: 'whe_1', url: 'https://erika.example/hook', events: [] },
  };
  const parameters = {
    ...JOBS.succeeded.parameters,
    prompt: 'erika',
    added_prompt: 'erika',
    negative_prompt: 'erika',
    tags: { mode: 'append', list: ['erika'] } as Parameters['tags'],
  };
  const trace = { request_id: 'erika', traceparent: 'erika' };
  const start = { ...sampleJob(NOW, { ...WORDS, parameters, price: 7 }), trace };
  const description = { prompt: 'erika', truncated: false, tags: [{ name: 'erika', score: 1, threshold: 0 }] };
  const error = new AppError('fetch-failed', 'erika.example could not be reached.', {
    errors: [{ pointer: '#/x', message: 'erika' }],
  });
  const seen = { ...(succeed(1, ['erika']) as object), description, run: SAMPLE_RUN } as JobEvent;

  it.each<[string, JobEvent[]]>([
    ['succeeded', [{ type: 'claim' }, seen]],
    ['delivered', [{ type: 'claim' }, seen, { type: 'delivered', delivery: { status: 'failed', detail: 'erika' } }]],
    ['failed', [{ type: 'claim' }, { type: 'fail', attempt: 1, error }]],
    ['canceled', [{ type: 'cancel' }]],
  ])('goes when a job that %s is deleted, or when its time is over', (_, events) => {
    const ended = jobAfter(events, start);
    expect(JSON.stringify(ended)).toContain('erika');
    expect(ended.due_at).toBe(Date.parse(ended.finished_at!) + 24 * 3_600_000);
    const over = applyEvent(ended, { type: 'purge' }, ended.due_at!).job;
    const deleted = applyEvent(ended, { type: 'delete' }, NOW).job;
    for (const job of [over, deleted]) {
      expect(JSON.stringify(job)).not.toContain('erika');
      expect(job).toMatchObject({ id: start.id, charge: ended.charge, input: start.input, status: ended.status });
    }
    // A receipt still tells the result and its source.
    expect(over.run).toEqual(ended.run);
    expect(deleted.run).toBeUndefined();
  });
});

describe('the report of an attempt, repeated because the answer was lost', () => {
  const fail: JobEvent = { type: 'fail', attempt: 1, error: ERROR };
  const giveBack: JobEvent = { type: 'give_back', attempt: 1 };
  const failedOnce: JobEvent = { type: 'give_back', attempt: 1, error: ERROR };
  const asked = applyEvent(JOBS.running, { type: 'cancel' }, NOW).job;

  it.each<[string, Job, JobEvent]>([
    ['its success', JOBS.running, succeed()],
    ['its failure', JOBS.running, fail],
    ['that it gives the job back', JOBS.running, giveBack],
    ['that the engine failed', JOBS.running, failedOnce],
    ['that the engine failed for the last time', { ...JOBS.running, failures: MAX_ATTEMPTS - 1 }, failedOnce],
    ['its success, of a job that was canceled', asked, succeed()],
    ['its failure, of a job that was canceled', asked, fail],
    ['that it gives back a job that was canceled', asked, giveBack],
  ])('%s changes nothing', (_, job, event) => {
    const ended = applyEvent(job, event, NOW).job;
    expect(applyEvent(ended, event, NOW + 1)).toEqual({ job: ended });
    expect(applyEvent(ended, event, NOW + 1).job).toBe(ended);
  });

  it.each<[string, Job, JobEvent]>([
    ['a success after a failure', jobAfter([fail], JOBS.running), succeed()],
    ['a failure after a success', JOBS.succeeded, fail],
    ['another failure', jobAfter([fail], JOBS.running), { ...fail, error: new AppError('gone', 'Gone.') } as JobEvent],
    ['another result', JOBS.succeeded, { ...succeed(), output: { ...SAMPLE_OUTPUT, key: 'out/other' } } as JobEvent],
    ['success of a job that has another attempt', jobAfter([giveBack, { type: 'claim' }], JOBS.running), succeed()],
    ['success of a job that was canceled before it was asked to stop', { ...JOBS.canceled, attempt: 1 }, succeed()],
  ])('%s is no repeat', (_, job, event) => {
    expect(codeOf(job, event)).toBe('lease-lost');
  });

  it('its claim is its own, and nobody else’s', () => {
    const claimed = jobAfter([{ type: 'claim', by: 'one' }]);
    expect(applyEvent(claimed, { type: 'claim', by: 'one' }, NOW + 1).job).toBe(claimed);
    for (const by of ['two', undefined])
      expect(codeOf(claimed, { type: 'claim', ...(by && { by }) })).toBe('lease-held');
    expect(codeOf(jobAfter([progress(1)], claimed), { type: 'claim', by: 'one' })).toBe('lease-held');
    for (const event of [succeed(), giveBack]) expect(jobAfter([event], claimed)).not.toHaveProperty('claimed_by');
    const late = applyEvent(claimed, { type: 'claim' }, claimed.lease_until!).job;
    expect(late).toMatchObject({ attempt: 2 });
    expect(late).not.toHaveProperty('claimed_by');
  });
});

describe('files and figures beside the output of a job', () => {
  const fidelity_report = { psnr: 30, delta_e: 2, added_detail: 12 };
  const heatmap = { key: 'out/acc_one/job/1-heatmap.png', width: 20, height: 10, bytes: 99 };

  it('the heat map is erased with the output, the report stays', () => {
    const done = jobAfter([{ type: 'claim' }, { ...(succeed() as object), fidelity_report, heatmap } as JobEvent]);
    expect(done).toMatchObject({ fidelity_report, heatmap });
    const purged = applyEvent(done, { type: 'purge' }, NOW).job;
    expect(purged.fidelity_report).toEqual(fidelity_report);
    expect(purged).not.toHaveProperty('heatmap');
    expect(purged).not.toHaveProperty('output');
  });

  it('a task without a picture succeeds without an output, and its words are kept as long as a picture', () => {
    const start = sampleJob(NOW, { task: 'tags' });
    const description = { prompt: 'dog', truncated: false, tags: [{ name: 'dog', score: 0.9, threshold: 0.7 }] };
    const done = jobAfter([{ type: 'claim' }, { type: 'succeed', attempt: 1, notes: [], description }], start);
    expect(done).toMatchObject({ status: 'succeeded', task: 'tags', description, charge: { state: 'captured' } });
    expect(done).not.toHaveProperty('output');
    expect(done.due_at).toBe(Date.parse(done.finished_at!) + 24 * 3_600_000);
    expect(applyEvent(done, { type: 'purge' }, done.due_at!).job).not.toHaveProperty('description');
  });
});

describe('any sequence of events', () => {
  const attempt = fc.integer({ min: 0, max: 4 });
  const anyEvent: fc.Arbitrary<JobEvent> = fc.oneof(
    fc.constant<JobEvent>({ type: 'uploaded', input: INPUT, price: 7 }),
    fc.constant<JobEvent>({ type: 'sent' }),
    { arbitrary: fc.constant<JobEvent>({ type: 'claim' }), weight: 4 },
    attempt.map((of): JobEvent => ({ type: 'heartbeat', attempt: of })),
    { arbitrary: fc.tuple(fc.integer({ min: 0, max: 100 }), attempt).map(([p, of]) => progress(p, of)), weight: 3 },
    attempt.map((of) => succeed(of, ['note'])),
    fc
      .option(attempt, { nil: undefined })
      .map((of): JobEvent => ({ type: 'fail', error: ERROR, ...(of && { attempt: of }) })),
    {
      arbitrary: fc
        .tuple(attempt, fc.boolean())
        .map(([of, failed]): JobEvent => ({ type: 'give_back', attempt: of, ...(failed && { error: ERROR }) })),
      weight: 3,
    },
    fc.constant<JobEvent>({ type: 'cancel' }),
    fc.constant<JobEvent>({ type: 'missing' }),
    fc.constant<JobEvent>({ type: 'expire' }),
    fc.constant<JobEvent>({ type: 'delete' }),
    fc.constant<JobEvent>({ type: 'purge' }),
  );
  const anyTime = fc.integer({ min: NOW - 86_400_000, max: NOW + 86_400_000 });
  const anyHistory = fc.array(fc.tuple(anyEvent, anyTime), { maxLength: 40 });
  const anyStart = fc.boolean().map((hasInput) => sampleJob(NOW, { price: 7, ...(!hasInput && { input: undefined }) }));

  const seenByClients = ({ status, progress: p, output, error, cancel_requested }: Job) =>
    JSON.stringify([status, p?.percent, p?.stage, output, error, cancel_requested]);

  it('keeps the rules', () => {
    const reached = new Set<JobStatus>();
    fc.assert(
      fc.property(anyStart, anyHistory, (start, history) => {
        let job = freeze(start);
        const ledger: LedgerKind[] = [];
        for (const [event, now] of history) {
          const before = job;
          const transition = attemptEvent(before, event, now);
          if (!transition) continue;
          job = freeze(transition.job);
          if (transition.ledger) ledger.push(transition.ledger);

          if (isTerminal(before)) expect(job.status).toBe(before.status);
          if ('attempt' in event && event.attempt !== undefined) expect(event.attempt).toBe(before.attempt);
          expect(job.attempt - before.attempt).toBe(event.type === 'claim' && !isTerminal(job) ? 1 : 0);
          expect(job.version).toBeGreaterThanOrEqual(before.version);
          if (seenByClients(job) !== seenByClients(before)) expect(job.version).toBeGreaterThan(before.version);
          expect(job.charge.amount).toBe(job.input ? 7 : 0);
          expect(Number.isSafeInteger(job.due_at ?? 0)).toBe(true);
          // Even where the clocks of the writers differ.
          const { created_at, started_at, finished_at, output, deleted_at, purged_at } = job;
          for (const last of [deleted_at, purged_at]) {
            const told = [created_at, started_at, finished_at, last].filter((time) => time !== undefined);
            expect(told).toEqual(told.toSorted());
          }
          if (output) expect(Date.parse(output.expires_at) - Date.parse(finished_at!)).toBe(24 * 3_600_000);
        }
        reached.add(job.status);
        // A job that never had a photo never had a price; createJob's own reservation is not among the events.
        const begin = start.input || !job.input ? [] : ['reserve'];
        const end = job.status === 'succeeded' ? 'capture' : 'release';
        expect(ledger).toEqual(isTerminal(job) && job.input ? [...begin, end] : begin);
        const open = job.input ? 'reserved' : 'pending';
        expect(job.charge.state).toBe(isTerminal(job) ? `${end}d` : open);
        expect(job.output !== undefined && job.status !== 'succeeded').toBe(false);
        expect(job.lease_until !== undefined).toBe(job.status === 'starting' || job.status === 'running');
      }),
      { numRuns: 5_000, seed: 1 },
    );
    expect([...reached].toSorted()).toEqual([...jobStatusSchema.options].toSorted());
  });

  /** Null: refused. A TypeError, from a write to the frozen argument, is thrown on. */
  function attemptEvent(job: Job, event: JobEvent, now: number) {
    try {
      return applyEvent(job, event, now);
    } catch (error) {
      if (error instanceof AppError) return null;
      throw error;
    }
  }

  it('never leaves an unfinished job that nobody looks at again', () => {
    fc.assert(
      fc.property(anyStart, anyHistory, (start, history) => {
        let job = start;
        for (const [event, now] of history) job = attemptEvent(job, event, now)?.job ?? job;
        if (!isTerminal(job)) expect(job.due_at).toBeDefined();
        if (job.output || (job.deleted_at && !job.purged_at)) expect(job.due_at).toBeDefined();
      }),
      { numRuns: 2_000, seed: 2 },
    );
  });
});

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) freeze(member);
  }
  return value;
}

describe('createJob', () => {
  it('keeps its input', () => {
    const { price, ...given } = {
      id: 'job_1',
      account: 'acc_one',
      upload_id: 'upl_1',
      input_key: 'in/acc_one/upl_1',
      parameters: JOBS.queued.parameters,
      retention_hours: 5,
      client_reference: 'r',
      idempotency_key: 'k',
      price: 3,
    };
    const job = createJob({ ...given, price }, NOW);
    expect(job).toMatchObject({ ...given, created_at: new Date(NOW).toISOString() });
    expect(job).not.toHaveProperty('price');
  });
});
