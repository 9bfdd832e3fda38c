import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../shared/error.ts';
import {
  isTerminal,
  type Job,
  type JobEvent,
  type JobStatus,
  jobStatusSchema,
  type Parameters,
} from '../../shared/job.ts';
import { applyEvent, createJob, type LedgerKind } from '../../shared/job-machine.ts';
import { LEASE_SECONDS, MAX_ATTEMPTS, RESEND_SECONDS, UPLOAD_URL_SECONDS } from '../../shared/limits.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';

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
    succeed: [succeed(), row(lost, lost, 'succeeded', 'succeeded', lost, lost, lost, lost)],
    fail: [{ type: 'fail', error: ERROR }, row('failed', 'failed', 'lease-held', 'lease-held', done, done, done, done)],
    'fail of an attempt': [
      { type: 'fail', attempt: 1, error: ERROR },
      row(lost, lost, 'failed', 'failed', lost, lost, lost, lost),
    ],
    give_back: [{ type: 'give_back', attempt: 1 }, row(lost, lost, 'queued', 'queued', lost, lost, lost, lost)],
    cancel: [{ type: 'cancel' }, row('canceled', 'canceled', 'starting', 'running', done, done, 'same', done)],
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
    expect(AWAITING.due_at).toBe(NOW + (UPLOAD_URL_SECONDS + RESEND_SECONDS) * 1000);
  });

  it('keeps its checkpoint from attempt to attempt, until it ends; no client sees it come', () => {
    const begun = jobAfter([{ type: 'claim' }, progress(10)]);
    const kept = jobAfter([CHECKPOINT], begun);
    expect(kept).toEqual({ ...begun, checkpoint: { key: 'out/a/j/1-checkpoint-1', step: 7 } });
    const next = jobAfter([{ type: 'give_back', attempt: 1 }, { type: 'claim' }], kept);
    expect(next).toMatchObject({ attempt: 2, checkpoint: kept.checkpoint });
    expect(jobAfter([{ ...succeed(), attempt: 2 } as JobEvent], next)).not.toHaveProperty('checkpoint');
  });

  it('is due no more once the queue has it, and again when its lease is over', () => {
    const sent = jobAfter([{ type: 'sent' }]);
    expect(sent).toMatchObject({ sent_at: new Date(NOW).toISOString(), version: 1 });
    expect(sent.due_at).toBeUndefined();
    expect(applyEvent(sent, { type: 'sent' }, NOW + 1).job).toBe(sent);
    const claimed = applyEvent(sent, { type: 'claim' }, NOW).job;
    expect(claimed.lease_until).toBe(NOW + LEASE_SECONDS * 1000);
    expect(claimed.due_at).toBe(NOW + (LEASE_SECONDS + RESEND_SECONDS) * 1000);
  });

  it('remembers when it first started, and drops the progress of the attempt before', () => {
    const retried = jobAfter([{ type: 'claim' }, progress(40), { type: 'give_back', attempt: 1 }, { type: 'claim' }]);
    expect(retried).toMatchObject({ status: 'starting', attempt: 2, started_at: new Date(NOW).toISOString() });
    expect(retried.progress).toBeUndefined();
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
    expect(job.due_at).toBeUndefined();
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
    const { job } = applyEvent(deleted.job, { type: 'purge' }, NOW);
    expect(job.purged_at).toBe(new Date(NOW).toISOString());
    expect(job.output).toBeUndefined();
    expect(job.due_at).toBeUndefined();
    expect(applyEvent(job, { type: 'purge' }, NOW).job).toBe(job);
  });
});

describe('what a job ends with beside its output', () => {
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

  it('a task without a picture succeeds without an output, and the reaper has nothing to do', () => {
    const start = sampleJob(NOW, { task: 'tags' });
    const description = { prompt: 'dog', truncated: false, tags: [{ name: 'dog', score: 0.9, threshold: 0.7 }] };
    const done = jobAfter([{ type: 'claim' }, { type: 'succeed', attempt: 1, notes: [], description }], start);
    expect(done).toMatchObject({ status: 'succeeded', task: 'tags', description, charge: { state: 'captured' } });
    expect(done).not.toHaveProperty('output');
    expect(done.due_at).toBeUndefined();
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
        if (!isTerminal(job) && !(job.status === 'queued' && job.sent_at)) expect(job.due_at).toBeDefined();
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
  it('keeps what it is given', () => {
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
