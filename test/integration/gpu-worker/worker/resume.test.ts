import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEngine } from '../../../../gpu-worker/engine.ts';
import { CHECKPOINT_SLOTS, checkpointKey, isTerminal, type Job } from '../../../../shared/job.ts';
import { DEFAULT_LIMITS, MAX_RECEIVES } from '../../../../shared/limits.ts';
import { createLog } from '../../../../shared/log.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { counting, killWorker } from '../../../support/killed-worker.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

/** Sampling that is interrupted and goes on, with the small SeeSR of the recorded set. */

const STEPS = 6;
/** One scheduler draws noise in every step, the other remembers the step before. */
const DDPM = { model: 'seesr', steps: STEPS, scheduler: 'ddpm', guidance_scale: 1 };
const DPM_SOLVER = { ...DDPM, scheduler: 'dpm-solver++' };

let modelsDirectory: string;
let photo: Buffer;
/** sha256 of the result without an interruption, by scheduler. */
const whole: Record<string, string> = {};
let workshop: Workshop;

beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-models-'));
  await buildRecorded(modelsDirectory, 'seesr');
  const dog = await readFile(new URL('../../../../local/demo-photo/dog.jpg', import.meta.url));
  photo = await sharp(dog).resize(24, 16, { fit: 'fill' }).png().toBuffer();
  const inputPath = join(modelsDirectory, 'photo.png');
  await writeFile(inputPath, photo);
  const engine = createEngine({ device: 'cpu', modelsDirectory, log: createLog('silent', () => {}) });
  for (const asked of [DDPM, DPM_SOLVER]) {
    const parameters = completeParameters(requestedParametersSchema.parse(asked), [{ model: 'seesr' }]);
    const request = { inputPath, outputPath: join(modelsDirectory, 'out.png'), parameters, limits: DEFAULT_LIMITS };
    const run = await engine.restore(request, { onProgress: () => {}, signal: new AbortController().signal });
    whole[asked.scheduler] = run.sha256;
  }
  await engine.close();
});
beforeEach(async () => {
  workshop = await createWorkshop({ modelsDirectory });
});
afterEach(() => workshop.close());
afterAll(() => rm(modelsDirectory, { recursive: true }));

const hasDone = (steps: number) => (job: Job) => (job.checkpoint?.step ?? 0) >= steps;

/** The job goes on at the step after its savepoint, and nobody can tell. */
async function expectResumed(interrupted: Job, other: Parameters<Workshop['startWorker']>[1] = {}): Promise<void> {
  const { checkpoint } = interrupted;
  expect(checkpoint!.step).toBeGreaterThan(1);
  expect(await workshop.objects.head(checkpoint!.key)).not.toBeNull();
  const engine = counting(workshop.engine);
  workshop.startWorker(engine, other);
  const job = await workshop.until(interrupted.id, isTerminal);
  expect(job).toMatchObject({ status: 'succeeded', attempt: 2, run: { steps: STEPS } });
  expect(job.output!.sha256).toBe(whole[job.parameters.scheduler!]);
  const expected = Array.from({ length: STEPS - checkpoint!.step }, (_, index) => checkpoint!.step + 1 + index);
  expect([...engine.steps]).toEqual(expected);
  const captures = await workshop.state.listLedger({ account: workshop.account, job_id: job.id });
  expect(captures.map(({ kind }) => kind)).toEqual(['reserve', 'capture']);
  await expectNoSavepoints(job);
}

async function expectNoSavepoints(job: Job): Promise<void> {
  for (let attempt = 1; attempt <= job.attempt; attempt++) {
    for (let slot = 0; slot < CHECKPOINT_SLOTS; slot++) {
      await expect.poll(() => workshop.objects.head(checkpointKey(job, attempt, slot))).toBeNull();
    }
  }
}

describe('a job of a diffusion model goes on where it was', () => {
  test('when its worker drains: the last step is kept, and it may happen again and again', async () => {
    const { queue } = workshop;
    const { id } = await workshop.submit(photo, DPM_SOLVER);
    for (let receives = 1; receives < MAX_RECEIVES - 1; receives++) {
      const message = await queue.receive({ visibilitySeconds: 1, waitSeconds: 1 });
      await queue.extend(message!.receipt, 0);
    }
    const first = counting(workshop.engine);
    const worker = workshop.startWorker(first, { savepointMilliseconds: 3_600_000 });
    await workshop.until(id, ({ progress }) => (progress?.step ?? 0) >= 3);
    await worker.drain();
    const job = (await workshop.state.getJob(id))!;
    expect(job).toMatchObject({ status: 'queued', failures: 0 });
    // That the next step had begun may not have been told any more.
    const lostSteps = Math.max(...first.steps) - job.checkpoint!.step;
    expect([0, 1]).toContain(lostSteps);
    const message = await queue.receive({ visibilitySeconds: 1, waitSeconds: 1 });
    expect(message).toMatchObject({ jobId: id, receiveCount: 1 }); // so that it does not get to the dead letters
    await queue.extend(message!.receipt, 0);
    await expectResumed(job);
  });

  test('when its worker is killed', async () => {
    const { id } = await workshop.submit(photo, DDPM);
    const { job, later } = await killWorker(workshop, id, modelsDirectory, hasDone(3));
    expect(job.status).toBe('running');
    await expectResumed(job, later);
  });

  test('when the child of its worker dies', async () => {
    const { id } = await workshop.submit(photo, DDPM);
    const engine = counting(workshop.engine);
    workshop.startWorker(engine, { savepointMilliseconds: 0 });
    await workshop.until(id, hasDone(3));
    process.kill(workshop.engine.pid()!, 'SIGSEGV');
    const { checkpoint } = await workshop.until(id, ({ failures }) => failures === 1);
    engine.steps.clear();
    const job = await workshop.until(id, isTerminal);
    expect(job).toMatchObject({ status: 'succeeded', attempt: 2, output: { sha256: whole.ddpm } });
    expect(Math.min(...engine.steps)).toBeGreaterThan(checkpoint!.step);
    await expectNoSavepoints(job);
  });
});
