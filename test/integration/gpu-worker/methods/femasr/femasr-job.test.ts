import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ModelList } from '../../../../../shared/client.ts';
import { createTestClient } from '../../../../support/client.ts';
import { writeFaithfulFemasr } from '../../../../support/faithful-femasr.ts';
import { type ServiceProcess, startServiceProcess } from '../../../../support/service-process.ts';

/** FeMaSR from its file to the result, with the real programs. */

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const [WIDTH, HEIGHT] = [301, 187];
const run = promisify(execFile);

let directory: string;
let modelsDirectory: string;
let service: ServiceProcess;
let key: string;
let photo: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-femasr-job-'));
  modelsDirectory = join(directory, 'models');
  await writeFaithfulFemasr(join(directory, 'femasr.safetensors'));
  photo = await smoothPhoto();
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

test('is built by the command line, which says whose it is and that it must not be sold', async () => {
  const cli = 'gpu-worker/models-cli.ts';
  const built = await program(cli, 'build', 'femasr', '--femasr', join(directory, 'femasr.safetensors'));
  expect(built.stdout).toContain('Its license forbids commercial use: offer it to nobody for money.');
  const { stdout } = await program(cli, 'list');
  expect(stdout).toMatch(/^femasr +installed .*\n +CC-BY-NC-SA-4\.0, not for commercial use$/m);
  expect(await readFile(join(modelsDirectory, 'femasr/LICENSES.md'), 'utf8')).toMatch(
    /## CC-BY-NC-SA-4\.0 \(FeMaSR, .*\): it forbids commercial use/,
  );
  expect((await program(cli, 'verify', 'femasr')).stdout).toContain('every file is as it should be');
});

test('a price list that sells it is refused at the start, with the reason', async () => {
  const refused = await start({}).catch((error: Error) => error);
  expect(String(refused)).toContain('The license of femasr (CC-BY-NC-SA-4.0) forbids commercial use');
  expect(String(refused)).toContain('ACCEPT_NONCOMMERCIAL');
});

test('is listed, quoted and paid as quoted, also when the service is killed in between', async () => {
  service = await start({ ACCEPT_NONCOMMERCIAL: 'true' });
  key = service.firstKey!;
  await program('local/accounts.ts', 'top-up', '1000000');
  let client = createTestClient(service.url, key);
  const { data } = await client.json<ModelList>('/v1/models');
  expect(data.find(({ id }) => id === 'femasr')).toMatchObject({
    license: 'CC-BY-NC-SA-4.0',
    commercial_use: false,
    installed: true,
    default: false,
    scale: 4,
  });

  const upload_id = await client.upload(photo);
  const quote = await client.json<{ id: string; price: number; tiles: number }>('/v1/quotes', {
    method: 'POST',
    body: JSON.stringify({ input: { upload_id }, model: 'femasr' }),
  });
  expect(quote.tiles).toBe(2);
  const { id } = await client.submit({ input: { upload_id }, model: 'femasr', quote_id: quote.id });
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
  expect(job.fidelity_report!.psnr).toBeGreaterThan(28);
  const { receipt } = await client.json<{ receipt: Record<string, unknown> }>(`/v1/jobs/${id}/receipt`);
  expect(receipt).toMatchObject({ price: quote.price, parameters: { model: 'femasr' }, run: { tiles: 2 } });
});

test.each([
  { what: 'gray of one pixel', size: [1, 1], kind: (picture: Sharp) => picture.toColorspace('b-w') },
  { what: 'with opacity and odd sides', size: [7, 33], kind: (picture: Sharp) => picture.ensureAlpha(0.5) },
] as const)('the command line restores a photo $what', async ({ size: [width, height], kind }) => {
  const [input, output] = [join(directory, 'in.png'), join(directory, 'out.png')];
  await writeFile(
    input,
    await kind(sharp(photo).extract({ left: 0, top: 0, width, height }))
      .png()
      .toBuffer(),
  );
  await program('gpu-worker/cli.ts', input, output, '--model', 'femasr');
  const [before, after] = await Promise.all([sharp(input).metadata(), sharp(output).metadata()]);
  expect(after).toMatchObject({ width: 4 * width, height: 4 * height });
  expect([after.channels, after.hasAlpha]).toEqual([before.channels, before.hasAlpha]);
});

async function smoothPhoto(): Promise<Uint8Array<ArrayBuffer>> {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, index) => {
    const [x, y] = [Math.floor(index / 3) % WIDTH, Math.floor(index / 3 / WIDTH)];
    return 128 + 70 * Math.sin(x / 29 + (index % 3)) + 40 * Math.cos(y / 28);
  });
  const picture = sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  return new Uint8Array(await picture.png().toBuffer());
}
