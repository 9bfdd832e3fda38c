import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Patience } from '../../gpu-worker/worker/outwait-trouble.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import type { Harm, ProxiedRequest } from '../support/harmful-proxy.ts';
import { pngOf } from '../support/service.ts';
import { openTroubledStores, PARTS, type TroubledStores } from '../support/troubled-stores.ts';
import { createWorkshopOn } from '../support/workshop.ts';

/** A worker whose stores lose answers, refuse, or are gone for a while: no job may pay for it. Minutes are made short. */

const PATIENCE: Patience = { pauseMilliseconds: 20, longestPauseMilliseconds: 100, milliseconds: 60_000 };
/** The SDK itself tries so often. */
const TRIES = 3;
const SLOW_DOWN: Harm = { status: 503, body: '<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>' };
const THROTTLED: Harm = {
  status: 400,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}',
};
const DENIED: Harm = { status: 403, body: '<Error><Code>AccessDenied</Code><Message>No.</Message></Error>' };

let troubled: TroubledStores;
let workshop: Awaited<ReturnType<typeof createWorkshopOn<TroubledStores['stores']>>>;
let directory: string;
let photo: Uint8Array;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-trouble-'));
  troubled = await openTroubledStores();
  workshop = await createWorkshopOn(troubled.stores, directory);
  photo = await pngOf(12, 8);
});
let drain = async () => {};
/** One at a time, as they share an engine. */
function startWorker(pulseMilliseconds: number): void {
  ({ drain } = workshop.startWorker(workshop.engine, { patience: PATIENCE, pulseMilliseconds }));
}
afterEach(async () => {
  troubled.doNoHarm();
  await drain();
});
afterAll(async () => {
  await workshop?.close();
  await troubled?.close();
  await rm(directory, { recursive: true, force: true });
});

/** The end of a job, by its stored record. */
async function endOf({ id }: Job): Promise<object> {
  const { direct } = troubled;
  await expect.poll(async () => isTerminal((await direct.state.getJob(id))!)).toBe(true);
  const job = (await direct.state.getJob(id))!;
  const ledger = await direct.state.listLedger({ account: workshop.account, job_id: id });
  const result = job.output && (await direct.objects.head(job.output.key));
  return {
    ended: `${job.status} by attempt ${job.attempt}, ${job.failures} failures`,
    ledger: ledger.map(({ kind }) => kind).join(' '),
    hasResult: result?.bytes === job.output?.bytes,
  };
}
const WELL = { ended: 'succeeded by attempt 1, 0 failures', ledger: 'reserve capture', hasResult: true };

async function expectEmptyQueues(): Promise<void> {
  const { queue, deadLetters, state } = troubled.direct;
  for (const each of [queue, deadLetters]) {
    await expect.poll(() => each.depth()).toEqual({ visible: 0, inFlight: 0 });
  }
  expect(findLedgerProblems(await state.getStatement(workshop.account))).toEqual([]);
}

describe.each(PARTS)('%s', (part) => {
  const isPoll = ({ operation }: ProxiedRequest) => operation === 'ReceiveMessage';

  it('may leave any request of a job without an answer, the repeats of the SDK too', async () => {
    const { proxies } = troubled;
    startWorker(1_000);
    const proxy = proxies[part];
    const lines = workshop.lines.length;
    const before = proxy.requests.length;
    expect(await endOf(await workshop.submit(photo))).toEqual(WELL);
    await expect.poll(() => troubled.direct.queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    const calls = proxy.requests.slice(before).filter((request) => !isPoll(request)).length;
    expect(calls).toBeGreaterThanOrEqual(2);
    for (let call = 0; call < calls; call++) {
      let seen = 0;
      const job = await submitUnharmed();
      proxy.doHarm((request) => {
        if (isPoll(request)) return undefined;
        const isTurn = seen >= call && seen < call + TRIES;
        seen++;
        return isTurn ? 'unanswered' : undefined;
      });
      expect({ call, ...(await endOf(job)) }).toEqual({ call, ...WELL });
      proxy.doHarm();
    }
    await expectEmptyQueues();
    expect(workshop.lines.slice(lines).filter((line) => line.includes('attempt.failed'))).toEqual([]);
  });

  it.each<[string, Harm]>([
    ['gone', 'lost'],
    ['asking for patience', part === 'dynamo' ? THROTTLED : SLOW_DOWN],
    ['refusing', DENIED],
  ])('may be %s for a while, at every moment', async (_, harm) => {
    startWorker(50);
    const proxy = troubled.proxies[part];
    const lines = workshop.lines.length;
    const jobs = await Promise.all([submitUnharmed(), submitUnharmed(), submitUnharmed()]);
    // It comes and goes for as long as the jobs take.
    let isHarmful = false;
    const weather = setInterval(() => {
      isHarmful = !isHarmful;
      proxy.doHarm(() => (isHarmful ? harm : undefined));
    }, 150);
    try {
      for (const job of jobs) expect(await endOf(job)).toEqual(WELL);
    } finally {
      clearInterval(weather);
      proxy.doHarm();
    }
    const failures = workshop.lines.slice(lines).filter((line) => line.includes('"level":"error"'));
    expect(failures).toEqual([]);
    await expectEmptyQueues();
  });
});

describe.each(['s3', 'dynamo'] as const)('while %s is gone', (part) => {
  const receives = () => troubled.proxies.sqs.requests.filter(({ operation }) => operation === 'ReceiveMessage').length;

  it('no message is taken, of which every delivery counts; and then the job is done', async () => {
    const job = await submitUnharmed();
    troubled.proxies[part].doHarm(() => 'lost');
    const before = { receives: receives(), lines: workshop.lines.length };
    startWorker(50);
    await expect.poll(() => workshop.lines.slice(before.lines).join('')).toContain('part.trouble');
    // Its first question was answered by nobody; a few more are asked meanwhile.
    const asked = troubled.proxies[part].requests.length;
    await expect.poll(() => troubled.proxies[part].requests.length).toBeGreaterThan(asked + 3 * TRIES);
    expect(receives()).toBe(before.receives);
    expect(await troubled.direct.queue.depth()).toEqual({ visible: 1, inFlight: 0 });
    troubled.doNoHarm();
    expect(await endOf(job)).toEqual(WELL);
    await expectEmptyQueues();
    const told = workshop.lines.slice(before.lines).filter((line) => /part\.(trouble|well)/.test(line));
    expect(told).toHaveLength(2);
  });
});

it.each<[string, (typeof PARTS)[number], Harm]>([
  ['its queue is gone', 'sqs', 'lost'],
  ['its queue is another’s', 'sqs', DENIED],
  ['its queue is not there', 'sqs', { status: 404, body: 'Not Found' }],
  ['its table is refused', 'dynamo', DENIED],
  ['its bucket is refused', 's3', DENIED],
])('ends where %s for long', async (_, part, harm) => {
  troubled.proxies[part].doHarm(() => harm);
  let answers = 0;
  const { ended } = workshop.startWorker(workshop.engine, {
    patience: PATIENCE,
    idleMilliseconds: 500,
    onAnswer: () => answers++,
  });
  await expect(ended).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(/S3|SQS|DynamoDB/) });
  expect(answers).toBe(0);
});

/** Past the proxies: the API in trouble is tried elsewhere. */
async function submitUnharmed(): Promise<Job> {
  troubled.doNoHarm();
  return workshop.submit(photo);
}
