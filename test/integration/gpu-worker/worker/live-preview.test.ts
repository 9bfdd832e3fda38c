import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isTerminal, type Job, LIVE_PREVIEW_SLOTS, livePreviewKey } from '../../../../shared/job.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

/** With the real networks: the small one of Real-ESRGAN, and the small SeeSR of the recorded set. */

let modelsDirectory: string;
let workshop: Workshop;
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-models-'));
  await buildRecorded(modelsDirectory, 'seesr');
});
afterEach(() => workshop.close());
afterAll(() => rm(modelsDirectory, { recursive: true }));

const DOG = new URL('../../../../local/demo-photo/dog.jpg', import.meta.url);

async function photo(width: number, height: number): Promise<Uint8Array> {
  return await sharp(await readFile(DOG))
    .resize(width, height, { fit: 'fill' })
    .png()
    .toBuffer();
}

async function start(file: Uint8Array, parameters: object): Promise<Job> {
  workshop = await createWorkshop({ modelsDirectory });
  workshop.startWorker();
  return workshop.submit(file, parameters, { live_previews: true });
}

async function nothingIsLeft(job: Job): Promise<void> {
  expect(job.live_preview).toBeUndefined();
  await expect.poll(() => readdir(workshop.scratchDirectory)).toEqual([]);
  for (let slot = 0; slot < LIVE_PREVIEW_SLOTS; slot++) {
    expect(await workshop.objects.head(livePreviewKey(job, 1, slot))).toBeNull();
  }
  expect(workshop.lines.filter((line) => line.includes('preview.failed'))).toEqual([]);
}

/** Mean distance of two pictures of the same size, in levels. */
async function distance(one: Uint8Array, other: Uint8Array): Promise<number> {
  const [a, b] = await Promise.all([one, other].map((file) => sharp(file).raw().toBuffer()));
  expect(a!.length).toBe(b!.length);
  return a!.reduce((sum, value, index) => sum + Math.abs(value - b![index]!), 0) / a!.length;
}

test('of real-esrgan: what its trunk has so far', async () => {
  const file = await photo(80, 1400);
  const { id } = await start(file, {});
  const seen = await workshop.until(id, ({ live_preview }) => live_preview !== undefined);
  expect(seen.live_preview).toEqual({ number: 1, width: 29, height: 512 });
  const picture = await workshop.bytesOf(livePreviewKey(seen, 1, 1));
  expect((await sharp(picture).metadata()).format).toBe('jpeg');
  const expected = await sharp(file).resize(29, 512, { fit: 'fill' }).png().toBuffer();
  // JPEG and two ways of making small; a row that is not there yet would be black, the whole 100 levels off.
  expect(await distance(picture, expected)).toBeLessThan(12);
  const job = await workshop.until(id, isTerminal);
  expect(job.status).toBe('succeeded');
  await nothingIsLeft(job);
});

test('of seesr: the latent that a step expects; gone when the job is canceled', async () => {
  const { id } = await start(await photo(61, 40), { model: 'seesr', steps: 200 });
  const seen = await workshop.until(id, ({ live_preview }) => live_preview !== undefined);
  expect(seen.live_preview).toEqual({ number: 1, step: 1, width: 31, height: 20 });
  const picture = sharp(await workshop.bytesOf(livePreviewKey(seen, 1, 1)));
  expect(await picture.metadata()).toMatchObject({ format: 'jpeg', width: 31, height: 20, channels: 3 });
  const later = await workshop.until(id, ({ live_preview }) => live_preview!.number > 1);
  expect(later.live_preview!.step).toBeGreaterThan(1);
  expect(later.version).toBeGreaterThan(seen.version);
  await workshop.state.updateJob(id, { type: 'cancel' });
  const job = await workshop.until(id, isTerminal);
  expect(job.status).toBe('canceled');
  await nothingIsLeft(job);
});

test('a preview that cannot be stored does no harm', async () => {
  workshop = await createWorkshop();
  const objects = { ...workshop.objects };
  objects.put = (key, body, options) => {
    return key.includes('-live-')
      ? Promise.reject(new Error('The disk is full.'))
      : workshop.objects.put(key, body, options);
  };
  workshop.startWorker(undefined, { objects });
  const { id } = await workshop.submit(await photo(40, 500), {}, { live_previews: true });
  const job = await workshop.until(id, isTerminal);
  expect(job).toMatchObject({ status: 'succeeded', attempt: 1 });
  expect(workshop.lines.filter((line) => line.includes('preview.failed')).length).toBeGreaterThan(0);
});
