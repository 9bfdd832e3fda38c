import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ModelList } from '../../../../../shared/client.ts';
import { createTestClient } from '../../../../support/client.ts';
import { fixture } from '../../../../support/sample-images.ts';
import { type ServiceProcess, startServiceProcess } from '../../../../support/service-process.ts';

/** The small ResShift of the recorded set from its files to the result, with the real programs. */

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const DOG = join(ROOT, 'local/demo-photo/dog.jpg');
const STEPS = 15;
const [WIDTH, HEIGHT] = [60, 40];
const run = promisify(execFile);

let directory: string;
let modelsDirectory: string;
let service: ServiceProcess;
let key: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-resshift-job-'));
  modelsDirectory = join(directory, 'models');
});
afterAll(async () => {
  await service?.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

const start = (environment: Record<string, string>) =>
  startServiceProcess(join(directory, 'data'), { MODELS_DIR: modelsDirectory, PRICES: 'standard', ...environment });
const program = (path: string, ...given: string[]) =>
  run(process.execPath, [join(ROOT, path), ...given], {
    env: { ...process.env, DATA_DIR: join(directory, 'data'), MODELS_DIR: modelsDirectory },
  });
const checkpoint = (name: string) => join(fixture('resshift/checkpoints'), name);
const build = (id: string, file: string) =>
  program(
    'gpu-worker/models-cli.ts',
    ...['build', id, '--resshift', checkpoint(file), '--vq', checkpoint('autoencoder_vq_f4.pth')],
    ...['--resshift-config', checkpoint('config.json')],
  );

test('is built by the command line, which says whose it is and that it must not be sold', async () => {
  const built = await build('resshift', 'resshift_realsrx4_s15_v1.pth');
  expect(built.stdout).toContain('Its license forbids commercial use: offer it to nobody for money.');
  const { stdout } = await program('gpu-worker/models-cli.ts', 'list');
  expect(stdout).toMatch(/^resshift +installed .*\n +S-Lab License 1\.0 \(non-commercial\), not for commercial use$/m);
  expect(await readFile(join(modelsDirectory, 'resshift/LICENSES.md'), 'utf8')).toMatch(
    /## S-Lab License 1\.0 \(non-commercial\) \(ResShift, .*\): it forbids commercial use/,
  );
});

test('is listed, quoted and paid as quoted, also when the service is killed in between', async () => {
  service = await start({ ACCEPT_NONCOMMERCIAL: 'true' });
  key = service.firstKey!;
  await program('local/accounts.ts', 'top-up', '1000000');
  let client = createTestClient(service.url, key);
  const { data } = await client.json<ModelList>('/v1/models');
  expect(data.find(({ id }) => id === 'resshift')).toMatchObject({ commercial_use: false, installed: true, scale: 4 });

  const upload_id = await client.upload(await photo());
  const quote = await client.json<{ id: string; price: number; tiles: number }>('/v1/quotes', {
    method: 'POST',
    body: JSON.stringify({ input: { upload_id }, model: 'resshift' }),
  });
  expect(quote.tiles).toBe(1);
  const { id } = await client.submit({ input: { upload_id }, model: 'resshift', quote_id: quote.id });
  await expect.poll(async () => (await client.json<{ status: string }>(`/v1/jobs/${id}`)).status).toBe('running');
  await service.kill('SIGKILL');
  service = await start({ ACCEPT_NONCOMMERCIAL: 'true' });
  client = createTestClient(service.url, key);

  const job = await client.end(id);
  expect(job.error).toBeUndefined();
  expect(job).toMatchObject({
    status: 'succeeded',
    charge: { state: 'captured', amount: quote.price },
    output: { width: 4 * WIDTH, height: 4 * HEIGHT },
  });
  const { receipt } = await client.json<{ receipt: Record<string, unknown> }>(`/v1/jobs/${id}/receipt`);
  expect(receipt).toMatchObject({
    price: quote.price,
    parameters: { model: 'resshift' },
    run: { tiles: 1, steps: STEPS },
  });
});

async function photo(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await sharp(DOG).resize(WIDTH, HEIGHT, { fit: 'fill' }).png().toBuffer());
}
