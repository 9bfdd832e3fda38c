import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ModelList } from '../../../../../shared/client.ts';
import { isTerminal } from '../../../../../shared/job.ts';
import { createTestClient } from '../../../../support/client.ts';
import { endAfterKill } from '../../../../support/killed-worker.ts';
import { type ServiceProcess, startServiceProcess } from '../../../../support/service-process.ts';
import { createWorkshop } from '../../../../support/workshop.ts';

/** The small DiffBIR of the recorded set, from its files to the result, with the real programs. */

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const CHECKPOINTS = join(ROOT, 'test/fixtures/diffbir/checkpoints');
const SMALL = { width: 24, height: 16 };
const STEPS = 6;
const run = promisify(execFile);

let directory: string;
let modelsDirectory: string;
let service: ServiceProcess | undefined;
let photo: Uint8Array<ArrayBuffer>;
/** sha256 of the result without an interruption. */
let whole: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-diffbir-job-'));
  modelsDirectory = join(directory, 'models');
  const dog = await readFile(join(ROOT, 'local/demo-photo/dog.jpg'));
  photo = new Uint8Array(await sharp(dog).resize(SMALL.width, SMALL.height, { fit: 'fill' }).png().toBuffer());
  await writeFile(join(directory, 'photo.png'), photo);
});
afterAll(async () => {
  await service?.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

const program = (path: string, ...given: string[]) =>
  run(process.execPath, [join(ROOT, path), ...given], {
    env: { ...process.env, DATA_DIR: join(directory, 'data'), MODELS_DIR: modelsDirectory },
  });

test('is built by the command line from its published files, and restores a photo', async () => {
  const sources = [
    ...['--diffbir', join(CHECKPOINTS, 'general_full_v1.ckpt')],
    ...['--diffbir-swinir', join(CHECKPOINTS, 'general_swinir_v1.ckpt')],
    ...['--diffbir-config', join(CHECKPOINTS, 'config.json')],
  ];
  await program('gpu-worker/models-cli.ts', 'build', 'diffbir', ...sources);
  const { stdout: listed } = await program('gpu-worker/models-cli.ts', 'list');
  expect(listed).toMatch(/^diffbir +installed .*\n +Apache-2\.0; weights: /m);
  expect(await readFile(join(modelsDirectory, 'diffbir/LICENSES.md'), 'utf8')).toContain('XPixelGroup/DiffBIR');
  const given = [join(directory, 'photo.png'), join(directory, 'whole.png'), '--model', 'diffbir', '--json'];
  const { stdout } = await program('gpu-worker/cli.ts', ...given, '--steps', String(STEPS));
  whole = JSON.parse(stdout).sha256;
  const { width, height } = await sharp(join(directory, 'whole.png')).metadata();
  expect([width, height]).toEqual([4 * SMALL.width, 4 * SMALL.height]);
});

test('is listed, quoted and paid by its calls', async () => {
  service = await startServiceProcess(join(directory, 'data'), { MODELS_DIR: modelsDirectory, PRICES: 'standard' });
  const client = createTestClient(service.url, service.firstKey!);
  await program('local/accounts.ts', 'top-up', '1000000');
  const { data } = await client.json<ModelList>('/v1/models');
  expect(data.find(({ id }) => id === 'diffbir')).toMatchObject({ installed: true, scale: 4 });

  const upload_id = await client.upload(photo);
  const asked = { input: { upload_id }, model: 'diffbir', steps: 5 };
  const body = JSON.stringify(asked);
  const quote = await client.json<{ id: string; price: number; tiles: number; steps: number }>('/v1/quotes', {
    method: 'POST',
    body,
  });
  expect(quote).toMatchObject({ tiles: 1, steps: 5 });
  const { id } = await client.submit({ ...asked, quote_id: quote.id });
  const job = await client.end(id);
  expect(job).toMatchObject({ status: 'succeeded', charge: { state: 'captured', amount: quote.price } });
  const { receipt } = await client.json<{ receipt: Record<string, unknown> }>(`/v1/jobs/${id}/receipt`);
  expect(receipt).toMatchObject({ parameters: { model: 'diffbir', steps: 5 }, run: { tiles: 1, steps: 5 } });
});

test('goes on at its savepoint when its worker is killed, with the same bytes', async () => {
  const workshop = await createWorkshop({ modelsDirectory });
  try {
    const { id } = await workshop.submit(photo, { model: 'diffbir', steps: STEPS });
    const { job, kept, first } = await endAfterKill(workshop, id, modelsDirectory, { step: 3 });
    expect(job).toMatchObject({ status: 'succeeded', attempt: 2, output: { sha256: whole } });
    expect(first).toBeGreaterThan(kept);
  } finally {
    await workshop.close();
  }
});

test('is canceled within a step, without charge', async () => {
  const workshop = await createWorkshop({ modelsDirectory });
  try {
    const { state, submit, until, startWorker } = workshop;
    startWorker();
    const { id } = await submit(photo, { model: 'diffbir', steps: 200 });
    await until(id, ({ progress }) => (progress?.step ?? 0) >= 2);
    await state.updateJob(id, { type: 'cancel' });
    const job = await until(id, isTerminal);
    expect(job).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
    expect(job.progress!.step).toBeLessThan(150);
  } finally {
    await workshop.close();
  }
});
