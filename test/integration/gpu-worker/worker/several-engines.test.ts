import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Engine } from '../../../../gpu-worker/engine.ts';
import { blocking, engineStates } from '../../../../shared/health.ts';
import { isTerminal, type Job } from '../../../../shared/job.ts';
import { createSeveralEngines } from '../../../support/several-engines.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

/** Three inference processes in one service, as on three devices: here they share the CPU. */

const REAL_PROGRAM = process.execPath;
const NAMES = ['cpu/1', 'cpu/2', 'cpu/3'];

let workshop: Workshop;
let several: ReturnType<typeof createSeveralEngines>;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-engines-'));
  workshop = await createWorkshop();
  several = createSeveralEngines(workshop, NAMES);
});
afterEach(async () => {
  process.execPath = REAL_PROGRAM;
  await several.close();
  await workshop.close();
  await rm(directory, { recursive: true, force: true });
});

async function picture(side: number): Promise<Uint8Array> {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 };
  const create = { width: side, height: side, channels: 3 as const, background: '#000', noise };
  return await sharp({ create }).png().toBuffer();
}

const small = () => picture(24);
/** Some moments of work on one thread. */
const large = () => picture(200);
const submit = async (count: number, file: () => Promise<Uint8Array>, more: Partial<Job> = {}) => {
  const jobs: Job[] = [];
  for (let index = 0; index < count; index++) jobs.push(await workshop.submit(await file(), {}, more));
  return jobs;
};
const endOf = ({ id }: Job) => workshop.until(id, isTerminal);
const isAtWork = ({ id }: Job) => workshop.until(id, ({ progress }) => progress?.stage === 'upscale');
const told = (event: string) => workshop.lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
const working = () =>
  engineStates(several.health.troubles(), NAMES).flatMap(({ name, working }) => (working ? [name] : []));

/** From now on no process of this engine can be started. */
async function breakEngine(engine: Engine): Promise<void> {
  const program = join(directory, 'node');
  const text = `#!/bin/sh\ncase "$*" in *"${engine.name}"*) exit 3;; esac\nexec ${REAL_PROGRAM} "$@"\n`;
  await writeFile(program, text, { mode: 0o755 });
  process.execPath = program;
  process.kill(engine.pid()!, 'SIGKILL');
}

test('jobs are shared among them, and each tells of its own progress', async () => {
  const jobs = await submit(3, large);
  several.start();
  await Promise.all(jobs.map(isAtWork));
  expect(await workshop.queue.depth()).toEqual({ visible: 0, inFlight: 3 });
  const ends = await Promise.all(jobs.map(endOf));
  expect(ends.map(({ status, attempt }) => [status, attempt])).toEqual(jobs.map(() => ['succeeded', 1]));
  expect(new Set(told('attempt.started').map(({ device }) => device))).toEqual(new Set(NAMES));
  expect(ends.map(({ run }) => run!.device)).toEqual(['cpu', 'cpu', 'cpu']);
});

test('a cancel ends its own job alone', async () => {
  const jobs = await submit(3, large);
  several.start();
  await Promise.all(jobs.map(isAtWork));
  await workshop.state.updateJob(jobs[1]!.id, { type: 'cancel' });
  const ends = await Promise.all(jobs.map(endOf));
  expect(ends.map(({ status }) => status)).toEqual(['succeeded', 'canceled', 'succeeded']);
});

test('a drain gives all of their jobs back, untried', async () => {
  const jobs = await submit(3, large);
  several.start();
  await Promise.all(jobs.map(isAtWork));
  await several.stop();
  for (const { id } of jobs) {
    expect(await workshop.state.getJob(id)).toMatchObject({ status: 'queued', attempt: 1, failures: 0 });
  }
  expect(await workshop.queue.depth()).toEqual({ visible: 3, inFlight: 0 });
});

test('nobody waits for all jobs of somebody else', async () => {
  const { state } = workshop;
  await state.createAccount({ id: 'acc_other', name: 'other', created_at: new Date().toISOString() });
  await state.topUp({ account: 'acc_other', amount: 1_000_000, payment: 'other' });
  await submit(9, small);
  const [one] = await submit(1, small, { account: 'acc_other' });
  several.start();
  await endOf(one!);
  // A turn of each account, and the two that the other engines took at that moment.
  expect(told('attempt.started').findIndex(({ job }) => job === one!.id)).toBeLessThan(NAMES.length + 1);
});

test('one that cannot be used is left out, its job is done by another, and it comes back by itself', async () => {
  const first = await submit(3, large);
  several.start();
  await Promise.all(first.map(isAtWork));
  await breakEngine(several.engines[1]!);
  await expect.poll(working).toEqual(['cpu/1', 'cpu/3']);
  const more = await submit(6, small);
  for (const job of await Promise.all([...first, ...more].map(endOf))) {
    expect(job).toMatchObject({ status: 'succeeded', failures: 0 });
  }
  expect(blocking(several.health.troubles(), NAMES)).toEqual([]);
  const [alarm] = told('part.trouble');
  expect(alarm).toMatchObject({ level: 'warn', part: 'engine cpu/2' });
  expect(alarm.error.message).toMatch(/^cpu\/2 cannot be used: .*it ended with 3/);
  expect(told('part.trouble')).toHaveLength(1);
  const started = told('attempt.started').length;

  process.execPath = REAL_PROGRAM;
  await expect.poll(() => several.engines[1]!.pid()).toBeDefined();
  const last = await submit(6, large);
  await Promise.all(last.map(endOf));
  expect(told('part.well')).toMatchObject([{ part: 'engine cpu/2' }]);
  const devices = told('attempt.started')
    .slice(started)
    .map(({ device }) => device);
  expect(devices).toContain('cpu/2');
  expect(working()).toEqual(NAMES);
});

test('where none can be used, the service is not ready and its jobs wait untried', async () => {
  process.execPath = join(directory, 'nowhere');
  several.start();
  const [job] = await submit(1, small);
  await submit(2, small);
  await expect.poll(() => blocking(several.health.troubles(), NAMES)).toHaveLength(3);
  expect(await workshop.state.getJob(job!.id)).toMatchObject({ status: 'queued', attempt: 0 });
  process.execPath = REAL_PROGRAM;
  expect(await endOf(job!)).toMatchObject({ status: 'succeeded', attempt: 1 });
});
