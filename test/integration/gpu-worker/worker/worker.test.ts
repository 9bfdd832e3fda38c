import { readdir } from 'node:fs/promises';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../../../gpu-worker/engine.ts';
import { isTerminal, outputKey } from '../../../../shared/job.ts';
import { MAX_ATTEMPTS } from '../../../../shared/limits.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

let workshop: Workshop;
afterEach(() => workshop.close());

/** Soft noise, so that no two tiles are alike. */
async function picture(width: number, height: number): Promise<Uint8Array> {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 };
  return sharp({ create: { width, height, channels: 3, background: '#000', noise } })
    .png()
    .toBuffer();
}

/** A moment of work, in three tiles, or five when they are the next smaller. */
const large = () => picture(900, 200);

/** The engine, to whose child something happens while it works on a photo. */
function whileUpscaling(happen: (pid: number) => void): Engine {
  return {
    ...workshop.engine,
    restore: (request, options) =>
      workshop.engine.restore(request, {
        ...options,
        onProgress(progress) {
          options.onProgress(progress);
          if (progress.stage === 'upscale') happen(workshop.engine.pid()!);
        },
      }),
  };
}

async function kinds(job: { id: string }): Promise<string[]> {
  const entries = await workshop.state.listLedger({ account: workshop.account, job_id: job.id });
  return entries.map(({ kind }) => kind);
}

async function nothingLeftBehind(): Promise<void> {
  expect(await workshop.queue.depth()).toEqual({ visible: 0, inFlight: 0 });
  expect(await readdir(workshop.scratchDirectory)).toEqual([]);
}

describe('a job that goes well', () => {
  test('is restored, captured once, and leaves nothing behind', async () => {
    workshop = await createWorkshop();
    workshop.startWorker();
    const { id } = await workshop.submit(await picture(37, 23));
    const job = await workshop.until(id, isTerminal);
    expect(job).toMatchObject({ status: 'succeeded', attempt: 1, charge: { state: 'captured' } });
    const result = await sharp(await workshop.bytesOf(job.output!.key)).metadata();
    expect([result.width, result.height, result.format]).toEqual([148, 92, 'png']);
    expect(job.output).toMatchObject({ width: 148, height: 92, mime: 'image/png' });
    expect(await kinds(job)).toEqual(['reserve', 'capture']);
    const work = (37 * 23) / 1e6;
    const learned = { jobs: 1, work, seconds: expect.any(Number), load_seconds: expect.any(Number) };
    await expect.poll(() => workshop.state.getPaces()).toMatchObject({ 'real-esrgan-fast': learned });
    await expect.poll(() => workshop.queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    await nothingLeftBehind();
  });

  test('tells its progress by stage and tile, never backwards', async () => {
    workshop = await createWorkshop();
    workshop.startWorker();
    const { id } = await workshop.submit(await large());
    const running = await workshop.until(id, (job) => job.progress?.stage === 'upscale');
    expect(running.status).toBe('running');
    expect(running.progress!.tiles).toBeGreaterThan(1);
    const later = await workshop.until(id, (job) => job.progress!.percent > running.progress!.percent);
    expect(later.version).toBeGreaterThan(running.version);
  });

  test('is not done for another photo than the one that was paid', async () => {
    workshop = await createWorkshop();
    const { id, input_key } = await workshop.submit(await picture(20, 10));
    await workshop.objects.delete(input_key);
    const larger = new Blob([new Uint8Array(await picture(40, 30))]);
    await workshop.objects.put(input_key, larger.stream(), { contentType: 'image/png' });
    workshop.startWorker();
    const job = await workshop.until(id, isTerminal);
    expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'conflict' } });
    expect(job.error!.detail).toContain('20×10 when the job was accepted, and is 40×30 now');
    expect(await kinds(job)).toEqual(['reserve', 'release']);
  });

  test('gives the same bytes for the same input and parameters', async () => {
    workshop = await createWorkshop();
    workshop.startWorker();
    const file = await picture(40, 30);
    const jobs = [await workshop.submit(file), await workshop.submit(file)];
    const ends = await Promise.all(jobs.map(({ id }) => workshop.until(id, isTerminal)));
    expect(ends[0]!.output!.sha256).toBe(ends[1]!.output!.sha256);
    const other = await workshop.submit(file, { denoise: 0 });
    expect((await workshop.until(other.id, isTerminal)).output!.sha256).not.toBe(ends[0]!.output!.sha256);
  });
});

describe('a job that is stopped', () => {
  test.each(['real-esrgan', 'real-esrgan-fast'])(
    'cancel of %s ends it within a tile, without charge',
    async (model) => {
      workshop = await createWorkshop();
      workshop.startWorker();
      const { id } = await workshop.submit(await large(), { model });
      await workshop.until(id, (job) => job.progress?.stage === 'upscale');
      await workshop.state.updateJob(id, { type: 'cancel' });
      const job = await workshop.until(id, isTerminal);
      expect(job).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
      expect(job.output).toBeUndefined();
      expect(await kinds(job)).toEqual(['reserve', 'release']);
      await expect.poll(() => workshop.queue.depth()).toEqual({ visible: 0, inFlight: 0 });
      await nothingLeftBehind();
    },
  );

  test('a draining worker gives it back at once, and another finishes it', async () => {
    workshop = await createWorkshop();
    const first = workshop.startWorker();
    const { id } = await workshop.submit(await large());
    await workshop.until(id, (job) => job.progress?.stage === 'upscale');
    await first.drain();
    expect(await workshop.state.getJob(id)).toMatchObject({ status: 'queued', attempt: 1, failures: 0 });
    expect(await workshop.queue.depth()).toEqual({ visible: 1, inFlight: 0 });
    workshop.startWorker();
    expect(await workshop.until(id, isTerminal)).toMatchObject({ status: 'succeeded', attempt: 2, failures: 0 });
  });

  test('an attempt whose job was taken by another writes nothing', async () => {
    workshop = await createWorkshop();
    workshop.startWorker();
    const { id } = await workshop.submit(await large());
    const job = await workshop.until(id, ({ progress }) => progress?.stage === 'upscale');
    await workshop.state.updateJob(id, { type: 'give_back', attempt: job.attempt });
    await workshop.state.updateJob(id, { type: 'claim' });
    await expect.poll(() => readdir(workshop.scratchDirectory)).toEqual([]);
    expect(await workshop.state.getJob(id)).toMatchObject({ status: 'starting', attempt: 2 });
    expect(await workshop.objects.head(outputKey(job, 1))).toBeNull();
  });
});

describe('a job that goes wrong', () => {
  test('a damaged image fails at once, uncharged, and the worker lives on', async () => {
    workshop = await createWorkshop();
    workshop.startWorker();
    const whole = await picture(200, 200);
    const bad = await workshop.submit(whole.subarray(0, whole.length / 2));
    const good = await workshop.submit(await picture(20, 20));
    const failed = await workshop.until(bad.id, isTerminal);
    expect(failed).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'image-unreadable', charged: false } });
    expect(await kinds(failed)).toEqual(['reserve', 'release']);
    expect((await workshop.until(good.id, isTerminal)).status).toBe('succeeded');
  });

  test('an engine that stalls is killed, tried again, and fails after three attempts, uncharged', async () => {
    workshop = await createWorkshop({ stallSeconds: 2 });
    workshop.startWorker(whileUpscaling((pid) => process.kill(pid, 'SIGSTOP')));
    const { id } = await workshop.submit(await large());
    const job = await workshop.until(id, isTerminal);
    expect(job).toMatchObject({ status: 'failed', failures: MAX_ATTEMPTS, attempt: MAX_ATTEMPTS });
    expect(job.error).toMatchObject({ code: 'engine-failed', detail: 'The engine made no progress for 2 s.' });
    expect(await kinds(job)).toEqual(['reserve', 'release']);
  });

  test('nothing stays of an earlier attempt that was lost after it had put its result', async () => {
    workshop = await createWorkshop();
    const whole = await picture(200, 200);
    const { id } = await workshop.submit(whole.subarray(0, whole.length / 2));
    const lost = await workshop.state.updateJob(id, { type: 'claim' });
    await workshop.objects.put(outputKey(lost, 1), new Blob(['x']).stream(), { contentType: 'image/png' });
    await workshop.state.updateJob(id, { type: 'give_back', attempt: 1 });
    workshop.startWorker();
    expect(await workshop.until(id, isTerminal)).toMatchObject({ status: 'failed', attempt: 2 });
    await expect.poll(() => workshop.objects.head(outputKey(lost, 1))).toBeNull();
  });

  test('when the child is killed for its memory, the same attempt goes on with smaller tiles', async () => {
    workshop = await createWorkshop();
    workshop.startWorker();
    const { id } = await workshop.submit(await large());
    const before = await workshop.until(id, (job) => job.progress?.stage === 'upscale');
    process.kill(workshop.engine.pid()!, 'SIGKILL');
    const after = await workshop.until(id, (job) => (job.progress?.tiles ?? 0) > before.progress!.tiles!);
    expect(after.attempt).toBe(1);
    expect(await workshop.until(id, isTerminal)).toMatchObject({ status: 'succeeded', attempt: 1, failures: 0 });
  });

  test('when it does not fit at all, it fails clearly, uncharged', async () => {
    workshop = await createWorkshop();
    workshop.startWorker(whileUpscaling((pid) => process.kill(pid, 'SIGKILL')));
    const { id } = await workshop.submit(await large());
    const job = await workshop.until(id, isTerminal);
    expect(job).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'out-of-memory' } });
    expect(job.error!.detail).toMatch(/did not fit into memory, even in tiles of \d+ pixels/);
    expect(await kinds(job)).toEqual(['reserve', 'release']);
  });

  test('an input that is gone fails the job', async () => {
    workshop = await createWorkshop();
    const { id, input_key } = await workshop.submit(await picture(20, 20));
    await workshop.objects.delete(input_key);
    workshop.startWorker();
    expect(await workshop.until(id, isTerminal)).toMatchObject({ status: 'failed', error: { code: 'gone' } });
  });
});
