import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp, { type OutputInfo } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { removeModel } from '../../../gpu-worker/model-store/remove-model.ts';
import type { ModelList } from '../../../shared/client.ts';
import { createTestClient } from '../../support/client.ts';
import { addFaithful, FAITHFUL_MODELS, type FaithfulName } from '../../support/faithful-models.ts';
import { type ServiceProcess, startServiceProcess } from '../../support/service-process.ts';

/** Models that users add, from the file to the result, with the real programs. */

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NAMES = Object.keys(FAITHFUL_MODELS) as FaithfulName[];
const SCALES: Record<FaithfulName, number> = {
  '1x-clean': 1,
  '2x-small': 2,
  '4x-usual': 4,
  '8x-large': 8,
  '2x-shuffled': 2,
  '4x-gray': 4,
  '2x-alpha': 2,
  '3x-compact': 3,
};
const [WIDTH, HEIGHT] = [61, 47];
const run = promisify(execFile);

let directory: string;
let modelsDirectory: string;
let service: ServiceProcess;
let client: ReturnType<typeof createTestClient>;
let photo: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-added-'));
  modelsDirectory = join(directory, 'models');
  await mkdir(join(directory, 'files'));
  for (const name of NAMES) await addFaithful(name, modelsDirectory, join(directory, 'files'));
  photo = await smoothPhoto();
  service = await start({ ACCEPT_NONCOMMERCIAL: 'true' });
  await program('local/accounts.ts', 'top-up', '1000000');
  client = createTestClient(service.url, service.firstKey!);
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

test('a price list that sells noncommercial models is refused at the start, with the reason', async () => {
  const refused = await startServiceProcess(join(directory, 'other'), {
    MODELS_DIR: modelsDirectory,
    PRICES: 'standard',
  }).catch((error: Error) => error);
  expect(String(refused)).toContain('The license of 3x-compact (CC-BY-NC-SA-4.0) forbids commercial use');
  expect(String(refused)).toContain('ACCEPT_NONCOMMERCIAL');
});

test('they are listed with title, license, scale and price, and the document names them', async () => {
  const { data } = await client.json<ModelList>('/v1/models');
  const added = data.filter(({ id }) => id in SCALES);
  expect(added.map(({ id }) => id).toSorted()).toEqual(NAMES.toSorted());
  for (const { id, name, license, scale, installed, price, ...about } of added) {
    const expected = FAITHFUL_MODELS[id as FaithfulName];
    expect({ name, license, scale }).toEqual({
      name: expected.title,
      license: expected.license,
      scale: SCALES[id as FaithfulName],
    });
    expect([installed, about.default]).toEqual([true, false]);
    expect(price.per_output_megapixel).toBeGreaterThan(0);
    expect(about.commercial_use).toBe(id === '3x-compact' ? false : undefined);
    expect(about.method).toBe(id === '3x-compact' ? 'compact' : 'esrgan');
  }
  const document = await client.json<{ paths: object }>('/openapi.json');
  const text = JSON.stringify(document);
  for (const name of NAMES) expect(text).toContain(`"${name}"`);
  expect(text).not.toContain('x-models');
  const paths = document.paths as { [path: string]: { post: { requestBody: { content: object } } } };
  const schema = Object.values(paths['/v1/jobs']!.post.requestBody.content)[0]!.schema;
  expect(schema.properties.scale).toMatchObject({ minimum: 1, maximum: 8 });
  // A client that sent it along could not ask for a model that enlarges by less.
  expect(schema.properties.scale).not.toHaveProperty('default');
});

describe.each(NAMES)('%s', (model) => {
  const scale = SCALES[model];

  test('is quoted, runs, costs the quoted price, and its receipt says what it is', async () => {
    const upload_id = await client.upload(photo);
    const quote = await client.json<{ id: string; price: number; output: object; tiles: number }>('/v1/quotes', {
      method: 'POST',
      body: JSON.stringify({ input: { upload_id }, model }),
    });
    expect(quote.output).toEqual({ width: WIDTH * scale, height: HEIGHT * scale });
    const { id } = await client.submit({ input: { upload_id }, model, quote_id: quote.id });
    const job = await client.end(id);
    expect(job.error).toBeUndefined();
    expect(job).toMatchObject({
      status: 'succeeded',
      charge: { state: 'captured', amount: quote.price },
      output: { width: WIDTH * scale, height: HEIGHT * scale },
    });
    expect(job.fidelity_report!.psnr).toBeGreaterThan(28);
    const { receipt } = await client.json<{ receipt: Record<string, unknown> }>(`/v1/jobs/${id}/receipt`);
    const { title, license } = FAITHFUL_MODELS[model];
    expect(receipt).toMatchObject({
      price: quote.price,
      parameters: { model, scale, model_facts: { title, license, scale } },
      run: { tiles: quote.tiles },
    });
    const { data, info } = await outputOf(id);
    expect([info.width, info.height]).toEqual([WIDTH * scale, HEIGHT * scale]);
    expect(await differenceFromPhoto(data, info)).toBeLessThan(12);
  });

  test('makes no more than its network does, and less where that is asked for', async () => {
    const upload_id = await client.upload(photo);
    expect(await client.post('/v1/jobs', { input: { upload_id }, model, scale: scale + 0.25 })).toMatchObject({
      status: 422,
      code: 'invalid',
      errors: [{ pointer: '#/scale' }],
    });
    const size = { width: WIDTH, height: HEIGHT };
    const free = { input: { upload_id }, model, target: { width: WIDTH }, fidelity: 0.5 };
    const job = await client.end((await client.submit(free)).id);
    expect(job.error).toBeUndefined();
    expect(job.output).toMatchObject(size);
  });
});

test('the command line has them, too', async () => {
  const [input, output] = [join(directory, 'in.png'), join(directory, 'out.png')];
  await writeFile(input, photo);
  await program('gpu-worker/cli.ts', input, output, '--model', '2x-small');
  expect(await sharp(output).metadata()).toMatchObject({ width: 2 * WIDTH, height: 2 * HEIGHT });
  const failed = await program('gpu-worker/cli.ts', input, output, '--model', '2x-small', '--scale', '4').catch(
    (error: { stderr: string }) => error,
  );
  expect(failed.stderr).toContain('scale is 4; 2x-small enlarges by at most 2.');
});

test('the evaluation measures them by pictures of their scale', async () => {
  const [hr, lr, out] = ['hr', 'lr', 'measured'].map((name) => join(directory, name)) as [string, string, string];
  for (const folder of [hr, lr]) await mkdir(folder);
  await writeFile(join(lr, 'a.png'), photo);
  await sharp(photo)
    .resize(2 * WIDTH, 2 * HEIGHT, { fit: 'fill' })
    .toFile(join(hr, 'a.png'));
  const places = ['--hr', hr, '--lr', lr, '--out', out, '--models-directory', modelsDirectory];
  await program('evaluation/main.ts', ...places, '--models', 'bicubic,2x-small');
  expect(await readFile(join(out, 'table.md'), 'utf8')).toMatch(/^\| 2x-small \|/m);
  const failed = await program('evaluation/main.ts', ...places, '--models', '4x-usual').catch(
    (error: { stderr: string }) => error,
  );
  expect(failed.stderr).toContain('it must be exactly 4 times as large');
});

test('one that was taken away, or exchanged, fails its jobs, and nothing is charged', async () => {
  const upload_id = await client.upload(photo);
  await removeModel(modelsDirectory, '8x-large');
  const gone = await client.end((await client.submit({ input: { upload_id }, model: '8x-large' })).id);
  expect(gone).toMatchObject({
    status: 'failed',
    error: { code: 'model-unavailable', detail: 'The model 8x-large is no longer installed here.' },
    charge: { state: 'released' },
  });
  await removeModel(modelsDirectory, '4x-gray');
  const file = await readFile(join(directory, 'files', '4x-usual.safetensors'));
  await writeFile(join(directory, 'files', '4x-gray.safetensors'), file);
  await program(
    'gpu-worker/models-cli.ts',
    'add',
    '4x-gray',
    '--license',
    'MIT',
    '--weights',
    join(directory, 'files', '4x-gray.safetensors'),
  );
  const other = await client.end((await client.submit({ input: { upload_id }, model: '4x-gray' })).id);
  expect(other).toMatchObject({
    status: 'failed',
    error: { code: 'model-unavailable' },
    charge: { state: 'released' },
  });
  expect(other.error!.detail).toContain('4x-gray is another model now: its title, input_channels');
  const fine = await client.end((await client.submit({ input: { upload_id }, model: '2x-small' })).id);
  expect(fine.status).toBe('succeeded');
});

async function outputOf(id: string) {
  const file = await fetch(new URL(`/v1/jobs/${id}/output`, service.url), {
    headers: { authorization: `Bearer ${service.firstKey}` },
  });
  return await sharp(await file.arrayBuffer())
    .raw()
    .toBuffer({ resolveWithObject: true });
}

/** Mean, in levels, of the result made as small as the photo. */
async function differenceFromPhoto(data: Buffer, info: OutputInfo): Promise<number> {
  const raw = { width: info.width, height: info.height, channels: info.channels };
  const small = await sharp(data, { raw }).resize(WIDTH, HEIGHT, { fit: 'fill' }).removeAlpha().raw().toBuffer();
  const own = await sharp(photo).raw().toBuffer();
  return own.reduce((sum, value, index) => sum + Math.abs(value - small[index]!), 0) / own.length;
}

async function smoothPhoto(): Promise<Uint8Array<ArrayBuffer>> {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, index) => {
    const [x, y] = [Math.floor(index / 3) % WIDTH, Math.floor(index / 3 / WIDTH)];
    return 128 + 70 * Math.sin(x / 9 + (index % 3)) + 40 * Math.cos(y / 8);
  });
  return new Uint8Array(
    await sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .png()
      .toBuffer(),
  );
}
