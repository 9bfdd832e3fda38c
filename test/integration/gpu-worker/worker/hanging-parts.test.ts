import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStores } from '../../../../local/stores.ts';
import { boundStores } from '../../../../shared/bounded-stores.ts';
import { isTerminal } from '../../../../shared/job.ts';
import { findLedgerProblems } from '../../../../shared/ledger.ts';
import { createService, pngOf, problemOf } from '../../../support/service.ts';
import { createWorkshopOn } from '../../../support/workshop.ts';

/** Every wait has its own end: the worker stops in time while any part hangs, and goes on when it answers again. */

const PATIENCE = { pauseMilliseconds: 20, longestPauseMilliseconds: 200, milliseconds: 60_000 };
const BOUNDS = { answerMilliseconds: 200, writeMilliseconds: 400 };
const NEVER = new Promise<never>(() => {});

let directory: string;
let stores: ReturnType<typeof openStores>;
let workshop: Awaited<ReturnType<typeof createWorkshopOn<typeof stores>>>;
let hanging: { verb: string; calls: number };
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-hanging-'));
  stores = openStores(directory);
  hanging = { verb: '', calls: 0 };
  workshop = await createWorkshopOn(stores, directory);
});
afterEach(async () => {
  await workshop.close();
  stores.database.close();
  await rm(directory, { recursive: true, force: true });
});

/** On the real stores, of which the next calls of one verb never end; behind the bounds of the service, made short. */
function startWorker(patience = PATIENCE) {
  const hangable = <Verbs extends object>(part: string, verbs: Verbs): Verbs =>
    Object.fromEntries(
      Object.entries(verbs).map(([name, verb]: [string, (...given: unknown[]) => unknown]) => [
        name,
        (...given: unknown[]) => {
          if (hanging.verb !== `${part}.${name}` || hanging.calls === 0) return verb(...given);
          hanging.calls--;
          return NEVER;
        },
      ]),
    ) as Verbs;
  const { state, objects, queue, deadLetters } = stores;
  const parts = {
    state: hangable('state', state),
    objects: hangable('objects', objects),
    queue: hangable('queue', queue),
  };
  return workshop.startWorker(workshop.engine, { ...boundStores({ ...parts, deadLetters }, BOUNDS), patience });
}

const VERBS = [
  'state.getAccount',
  'state.updateJob',
  'state.getJob',
  'state.recordPace',
  'objects.head',
  'objects.get',
  'objects.put',
  'objects.delete',
  'queue.delete',
];

describe.each(VERBS)('%s', (verb) => {
  test('may hang for some calls in the middle of a job: it is no fault of the job, which succeeds once', async () => {
    const { id } = await workshop.submit(await pngOf(12, 8));
    hanging = { verb, calls: 2 };
    const { drain } = startWorker();
    await expect.poll(async () => isTerminal((await stores.state.getJob(id))!)).toBe(true);
    const job = (await stores.state.getJob(id))!;
    expect(job).toMatchObject({ status: 'succeeded', failures: 0, charge: { state: 'captured' } });
    expect(findLedgerProblems(await stores.state.getStatement(workshop.account))).toEqual([]);
    await expect.poll(() => stores.queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    await drain();
    expect((await stores.objects.head(job.output!.key))?.bytes).toBe(job.output!.bytes);
  });
});

describe.each(['state.updateJob', 'state.getJob', 'objects.get', 'objects.put', 'queue.delete'])('%s', (verb) => {
  test('may hang for good: a drain ends the worker all the same', async () => {
    await workshop.submit(await pngOf(12, 8));
    const { drain } = startWorker({ ...PATIENCE, milliseconds: 2_000 });
    await expect.poll(() => workshop.lines.join('')).toContain('attempt.started');
    hanging = { verb, calls: Number.POSITIVE_INFINITY };
    await new Promise((resolve) => setTimeout(resolve, 500));
    await drain();
  });
});

test('an inference process that stands still is replaced', async () => {
  await workshop.engine.start();
  process.kill(workshop.engine.pid()!, 'SIGSTOP');
  await workshop.engine.close(); // within moments
  expect(workshop.engine.pid()).toBeUndefined();
  workshop.startWorker(workshop.engine, { patience: PATIENCE });
  const { id } = await workshop.submit(await pngOf(12, 8));
  expect(await workshop.until(id, isTerminal)).toMatchObject({ status: 'succeeded', failures: 0 });
});

describe('/readyz', () => {
  test('names the parts that do not answer, asks them no second time meanwhile, and is well when they are', async () => {
    const service = await createService();
    let asked = 0;
    let isHanging = true;
    const hang = <Answer>(verb: () => Promise<Answer>) => {
      if (!isHanging) return verb();
      asked++;
      return NEVER;
    };
    const { state, objects, queue } = service;
    const hung = await createService({
      queue: { ...queue, depth: () => hang(() => queue.depth()) },
      objects: { ...objects, head: (key) => hang(() => objects.head(key)) },
      state: {
        ...state,
        getAccount: (id) => (id === 'readiness' ? hang(() => state.getAccount(id)) : state.getAccount(id)),
      },
    });
    const ready = () => hung.app.request('/readyz');
    const answers = await Promise.all([ready(), ready(), ready()]);
    for (const answer of [...answers, await ready()]) {
      expect(answer.headers.get('Retry-After')).toMatch(/^\d+$/);
      expect(await problemOf(answer)).toMatchObject({ status: 503, code: 'unavailable', retryable: true });
    }
    const { detail } = await problemOf(await ready());
    for (const part of ['state', 'queue', 'storage']) expect(detail).toContain(part);
    expect(asked).toBe(3);
    const told = hung.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'part.trouble');
    expect(told.map(({ part }) => part).sort()).toEqual(['queue', 'state', 'storage']);
    isHanging = false;
    await hung.close();
    await service.close();
  });

  test('tells the part that keeps the worker from its work, and that the service stops', async () => {
    const stopping = new AbortController();
    const troubles = [{ part: 'engine' as const, error: new Error('no memory at 0xdead') }];
    const health = { fail() {}, recover() {}, live() {}, silentSeconds: () => 0, troubles: () => troubles };
    const service = await createService({ health, stopping: stopping.signal });
    const first = await problemOf(await service.app.request('/readyz'));
    expect(first).toMatchObject({ status: 503, detail: 'Not ready: engine.' });
    const { secret } = await service.newKey('acc_one', ['metrics:read']);
    const metrics = await service.call('GET', '/metrics', { key: secret });
    expect(await metrics.text()).toContain('seesr_part_in_trouble{part="engine"} 1\n');
    troubles.pop();
    expect((await service.app.request('/readyz')).status).toBe(200);
    stopping.abort();
    const last = await problemOf(await service.app.request('/readyz'));
    expect(last).toMatchObject({ status: 503, detail: 'The service stops.' });
    await service.close();
  });
});
