import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { directoryOf } from '../../../../gpu-worker/model-store/installed.ts';
import { isTerminal, type Job } from '../../../../shared/job.ts';
import { planWork } from '../../../../shared/pricing.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { createWorkshop, type Workshop } from '../../../support/workshop.ts';

/** Facts of the worker for the receipt of a job, beside the request and the quantities behind the price. */

let modelsDirectory: string;
let workshop: Workshop;
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-models-'));
  await buildRecorded(modelsDirectory, 'seesr');
});
afterAll(() => rm(modelsDirectory, { recursive: true }));
beforeEach(async () => {
  workshop = await createWorkshop({ modelsDirectory });
  workshop.startWorker();
});
afterEach(() => workshop.close());

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const photo = (width: number, height: number) =>
  sharp({
    create: { width, height, channels: 3, background: '#777', noise: { type: 'gaussian', mean: 120, sigma: 20 } },
  })
    .blur(3)
    .png()
    .toBuffer();

async function ended(file: Uint8Array, parameters: object): Promise<Job> {
  const { id } = await workshop.submit(file, parameters);
  const job = await workshop.until(id, isTerminal);
  expect(job.error).toBeUndefined();
  return job;
}

test('names photo, result, weights, work and time of a super-resolution job', async () => {
  const file = await photo(385, 3);
  const job = await ended(file, { model: 'real-esrgan-fast' });
  const { run } = job;
  expect(run!.input.sha256).toBe(sha256(file));
  expect(run!.output.sha256).toBe(sha256(await workshop.bytesOf(job.output!.key)));
  expect(run!.output).toMatchObject({ width: 1540, height: 12, mime: 'image/png' });
  expect(run!.weights_sha256).toBe(sha256(await readFile(join(directoryOf('', 'real-esrgan-fast'), 'manifest.json'))));
  const { tiles, steps } = planWork(job.input!, job.parameters);
  expect(run).toMatchObject({ tiles, steps, tile_size: 256, device: 'cpu' });
  // Two, in each of four stages.
  expect(tiles).toBe(8);
  expect(run!.seconds.upscale).toBeGreaterThan(0);
  expect(run!.software).toMatch(/^seesr-cloud\/\d+\.\d+\.\d+$/);
});

test('says that no network was asked where fidelity leaves it nothing to do', async () => {
  const job = await ended(await photo(40, 30), { model: 'real-esrgan-fast', fidelity: 1 });
  const { tiles, steps } = planWork(job.input!, job.parameters);
  expect({ tiles, steps }).toEqual({ tiles: 0, steps: 0 });
  expect(job.run).toMatchObject({ tiles, steps });
});

test('names the tiles and steps of a SeeSR job as they were planned', async () => {
  const job = await ended(await photo(200, 40), { model: 'seesr', steps: 5, start_steps: 500 });
  const { tiles, steps, calls } = planWork(job.input!, job.parameters);
  expect({ tiles, steps, calls }).toEqual({ tiles: 2, steps: 3, calls: 12 });
  expect(job.run).toMatchObject({ tiles, steps, tile_size: 96 });
  expect(job.run!.weights_sha256).toBe(sha256(await readFile(join(modelsDirectory, 'seesr', 'manifest.json'))));
});
