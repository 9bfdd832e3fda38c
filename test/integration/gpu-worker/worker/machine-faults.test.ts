import { cp, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isTerminal } from '../../../../shared/job.ts';
import { MAX_ATTEMPTS } from '../../../../shared/limits.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

/** Faults of the machine before a photo is read: they are no try of a job, and all goes on by itself when they are mended. */

const PATIENCE = { pauseMilliseconds: 20, longestPauseMilliseconds: 200, milliseconds: 60_000 };
const PAUSE_LENGTHS = { firstMilliseconds: 100, longestMilliseconds: 400 };
const REAL_PROGRAM = process.execPath;

let workshop: Workshop;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-faults-'));
  return () => rm(directory, { recursive: true, force: true });
});
afterEach(async () => {
  process.execPath = REAL_PROGRAM;
  await workshop.close();
});

const photo = async () =>
  new Uint8Array(
    await sharp({ create: { width: 20, height: 12, channels: 3, background: '#a06030' } })
      .png()
      .toBuffer(),
  );
const told = (event: string) => workshop.lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
const startWorker = () => workshop.startWorker(workshop.engine, { patience: PATIENCE, pauseLengths: PAUSE_LENGTHS });

async function script(text: string, mode = 0o755): Promise<string> {
  const path = join(await mkdtemp(join(directory, 'program-')), 'node');
  await writeFile(path, `#!/bin/sh\n${text}\n`, { mode });
  return path;
}

describe('an inference process that', () => {
  const broken = `process.send({ type: 'broken', reason: 'Cannot find package' })`;
  test.each<[string, () => Promise<string>, RegExp, number?]>([
    ['is not there', async () => join(directory, 'nowhere'), /could not be started: spawn .* ENOENT/],
    ['may not be run', () => script('', 0o644), /EACCES/],
    ['ends at once', () => script('exit 3'), /it ended with 3/],
    ['is killed at once', () => script('kill -9 $$'), /it ended with SIGKILL/],
    ['never gets ready', () => script('exec sleep 60'), /it was not ready within 4 s/, 4],
    ['misses a package', () => script(`exec ${REAL_PROGRAM} -e "${broken}"`), /Cannot find package/],
  ])('%s: jobs wait untried, and run when it can be started', async (_, makeProgram, reason, startSeconds = 60) => {
    workshop = await createWorkshop({ startSeconds });
    process.execPath = await makeProgram();
    startWorker();
    const jobs = [await workshop.submit(await photo()), await workshop.submit(await photo())];
    await expect.poll(() => told('part.trouble')).toHaveLength(1);
    const error = { message: expect.stringMatching(reason) };
    expect(told('part.trouble')).toMatchObject([{ part: 'engine', error }]);
    await new Promise((resolve) => setTimeout(resolve, 500)); // more tries of the start, not of the jobs
    for (const { id } of jobs) expect(await workshop.state.getJob(id)).toMatchObject({ status: 'queued', attempt: 0 });
    process.execPath = REAL_PROGRAM;
    for (const { id } of jobs) {
      expect(await workshop.until(id, isTerminal)).toMatchObject({ status: 'succeeded', attempt: 1, failures: 0 });
    }
    await expect.poll(() => told('part.well')).toMatchObject([{ part: 'engine' }]);
    expect(told('part.trouble')).toHaveLength(1);
    expect(told('attempt.failed')).toEqual([]);
  });

  test('hangs while it starts does not keep a worker from its drain', async () => {
    workshop = await createWorkshop();
    process.execPath = await script('exec sleep 60');
    const { drain } = startWorker();
    const { id } = await workshop.submit(await photo());
    await expect.poll(() => workshop.queue.depth()).toEqual({ visible: 0, inFlight: 1 });
    await drain();
    expect(await workshop.queue.depth()).toEqual({ visible: 1, inFlight: 0 });
    expect(await workshop.state.getJob(id)).toMatchObject({ status: 'queued', attempt: 0 });
  });
});

describe('a model', () => {
  let whole: string;
  beforeAll(async () => {
    whole = await mkdtemp(join(tmpdir(), 'seesr-model-'));
    await buildRecorded(whole, 'seesr');
    return () => rm(whole, { recursive: true, force: true });
  });

  test.each<[string, (model: string) => Promise<unknown>, number?]>([
    ['that was taken away', (model) => rename(model, `${model}.away`), MAX_ATTEMPTS],
    ['whose manifest is cut off', (model) => truncate(join(model, 'manifest.json'), 100)],
    ['whose words are gone', (model) => rm(join(model, 'tokenizer/vocab.json'))],
    ['whose last network is no network', (model) => writeFile(join(model, 'vae-decoder.onnx'), 'x'.repeat(1000))],
  ])('%s holds up its own jobs, and only until it is back', async (_, damage, tries = 1) => {
    const modelsDirectory = await mkdtemp(join(directory, 'models-'));
    await cp(whole, modelsDirectory, { recursive: true });
    workshop = await createWorkshop({ modelsDirectory });
    await damage(join(modelsDirectory, 'seesr'));
    startWorker();
    const waiting = await workshop.submit(await photo(), { model: 'seesr', steps: 2 });
    await expect.poll(() => told('part.trouble')).toMatchObject([{ part: 'model seesr' }]);
    const other = await workshop.submit(await photo());
    expect(await workshop.until(other.id, isTerminal)).toMatchObject({ status: 'succeeded' });
    await expect.poll(() => told('attempt.failed').length).toBeGreaterThan(tries);
    expect(await workshop.state.getJob(waiting.id)).toMatchObject({ failures: 0, charge: { state: 'reserved' } });
    await rm(join(modelsDirectory, 'seesr'), { recursive: true, force: true });
    await cp(whole, modelsDirectory, { recursive: true });
    const { status, failures } = await workshop.until(waiting.id, isTerminal);
    expect({ status, failures }).toEqual({ status: 'succeeded', failures: 0 });
    await expect.poll(() => told('part.well')).toMatchObject([{ part: 'model seesr' }]);
    expect(told('part.trouble')).toHaveLength(1);
  });
});
