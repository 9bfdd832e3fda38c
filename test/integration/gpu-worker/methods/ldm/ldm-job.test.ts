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

/** The small LDM-SR of the recorded set, from its file to the result, with the real programs. */

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const CHECKPOINTS = join(ROOT, 'test/fixtures/ldm/checkpoints');
const SIZE = { width: 100, height: 90 };
/** Many: those of small networks are over before anybody has seen the third. */
const STEPS = 50;
const run = promisify(execFile);

let directory: string;
let modelsDirectory: string;
let service: ServiceProcess | undefined;
let photo: Uint8Array<ArrayBuffer>;
/** sha256 of the result without an interruption. */
let whole: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-ldm-job-'));
  modelsDirectory = join(directory, 'models');
  const dog = await readFile(join(ROOT, 'local/demo-photo/dog.jpg'));
  photo = new Uint8Array(await sharp(dog).resize(SIZE.width, SIZE.height, { fit: 'fill' }).png().toBuffer());
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

test('is built by the command line from its published file, and restores a photo', async () => {
  const sources = ['--ldm', join(CHECKPOINTS, 'last.ckpt'), '--ldm-config', join(CHECKPOINTS, 'config.json')];
  await program('gpu-worker/models-cli.ts', 'build', 'ldm', ...sources);
  const { stdout: listed } = await program('gpu-worker/models-cli.ts', 'list');
  expect(listed).toMatch(/^ldm +installed .*\n +MIT; weights: /m);
  expect(await readFile(join(modelsDirectory, 'ldm/LICENSES.md'), 'utf8')).toContain('CompVis/latent-diffusion');
  const given = [join(directory, 'photo.png'), join(directory, 'whole.png'), '--model', 'ldm', '--json'];
  const { stdout } = await program('gpu-worker/cli.ts', ...given, '--steps', String(STEPS));
  whole = JSON.parse(stdout).sha256;
  const { width, height } = await sharp(join(directory, 'whole.png')).metadata();
  expect([width, height]).toEqual([4 * SIZE.width, 4 * SIZE.height]);
});

test('is listed, quoted and paid by its calls', async () => {
  service = await startServiceProcess(join(directory, 'data'), { MODELS_DIR: modelsDirectory, PRICES: 'standard' });
  const client = createTestClient(service.url, service.firstKey!);
  await program('local/accounts.ts', 'top-up', '1000000');
  const { data } = await client.json<ModelList>('/v1/models');
  expect(data.find(({ id }) => id === 'ldm')).toMatchObject({ installed: true, scale: 4 });

  const upload_id = await client.upload(photo);
  const asked = { input: { upload_id }, model: 'ldm', steps: 12 };
  const body = JSON.stringify(asked);
  const quote = await client.json<{ id: string; price: number; tiles: number; steps: number }>('/v1/quotes', {
    method: 'POST',
    body,
  });
  // Thirteen calls are what twelve steps mean.
  expect(quote).toMatchObject({ tiles: 1, steps: 13 });
  const { id } = await client.submit({ ...asked, quote_id: quote.id });
  const job = await client.end(id);
  expect(job).toMatchObject({ status: 'succeeded', charge: { state: 'captured', amount: quote.price } });
  const { receipt } = await client.json<{ receipt: Record<string, unknown> }>(`/v1/jobs/${id}/receipt`);
  expect(receipt).toMatchObject({ parameters: { model: 'ldm', steps: 12 }, run: { tiles: 1, steps: 13 } });

  const refused = await fetch(`${service.url}/v1/quotes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.firstKey!}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...asked, steps: 37 }),
  });
  expect(refused.status).toBe(422);
  expect(await refused.text()).toContain('steps 37 would call timestep 1000');
});

test('goes on at its savepoint when its worker is killed, with the same bytes', async () => {
  const workshop = await createWorkshop({ modelsDirectory });
  try {
    const { id } = await workshop.submit(photo, { model: 'ldm', steps: STEPS });
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
    const { id } = await submit(photo, { model: 'ldm', steps: 200 });
    await until(id, ({ progress }) => (progress?.step ?? 0) >= 2);
    await state.updateJob(id, { type: 'cancel' });
    const job = await until(id, isTerminal);
    expect(job).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
    expect(job.progress!.step).toBeLessThan(150);
  } finally {
    await workshop.close();
  }
});
