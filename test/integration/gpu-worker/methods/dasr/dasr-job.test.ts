import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../../../../gpu-worker/engine.ts';
import type { Pixels } from '../../../../../gpu-worker/images/image.ts';
import { dasrEngine } from '../../../../../gpu-worker/methods/dasr/engine.ts';
import type { JobView, ModelList } from '../../../../../shared/client.ts';
import { isTerminal, type Job, type Progress } from '../../../../../shared/job.ts';
import { DEFAULT_LIMITS } from '../../../../../shared/limits.ts';
import { createLog } from '../../../../../shared/log.ts';
import { OWN_MODELS } from '../../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../../shared/parameters.ts';
import { gather } from '../../../../support/bands.ts';
import { buildMethod } from '../../../../support/build-method.ts';
import { createTestClient } from '../../../../support/client.ts';
import { PUBLISHED_DASR, SMALL_DASR, writeDasrFiles } from '../../../../support/dasr-files.ts';
import { killWorker } from '../../../../support/killed-worker.ts';
import { decodeBytes, fixture } from '../../../../support/sample-images.ts';
import { startServiceProcess } from '../../../../support/service-process.ts';
import { createWorkshop } from '../../../../support/workshop.ts';

/** DASR as a model of the product, with small networks that hardly change the enlarged photo. */

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const run = promisify(execFile);
const { signal } = new AbortController();
const parameters = completeParameters(requestedParametersSchema.parse({ model: 'dasr' }), OWN_MODELS);

let directory: string;
let modelsDirectory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-dasr-'));
  modelsDirectory = join(directory, 'models');
  await buildMethod('dasr', await writeDasrFiles(join(directory, 'files')), modelsDirectory);
});
afterAll(() => rm(directory, { recursive: true }));

const photo = (width: number, height: number) =>
  sharp(fixture('photos/13_phone_shoes.jpg')).resize(width, height, { fit: 'cover' }).png().toBuffer();

const isLookedAt = ({ description }: Pick<JobView, 'description'>) => {
  const { values, mixture } = description!.degradation!;
  expect(values).toHaveLength(SMALL_DASR.values);
  expect(values[27]).toEqual({ name: 'JPEG 2: quality', value: expect.any(Number) });
  expect(mixture).toHaveLength(SMALL_DASR.experts);
};

describe('in a service', () => {
  test('it is listed, quoted, run and paid, and the job says what was seen', async () => {
    const environment = { MODELS_DIR: modelsDirectory, PRICES: 'standard' };
    const service = await startServiceProcess(join(directory, 'data'), environment);
    try {
      const top = [join(ROOT, 'local/accounts.ts'), 'top-up', '1000000'];
      await run(process.execPath, top, { env: { ...process.env, DATA_DIR: join(directory, 'data') } });
      const client = createTestClient(service.url, service.firstKey!);
      const { data } = await client.json<ModelList>('/v1/models');
      expect(data.find(({ id }) => id === 'dasr')).toMatchObject({ installed: true, license: 'Apache-2.0', scale: 4 });
      const upload_id = await client.upload(new Uint8Array(await photo(61, 47)));
      const asked = { input: { upload_id }, model: 'dasr' };
      const quote = await client.json<{ id: string; price: number; tiles: number }>('/v1/quotes', {
        method: 'POST',
        body: JSON.stringify(asked),
      });
      const job = await client.end((await client.submit({ ...asked, quote_id: quote.id })).id);
      expect(job.error).toBeUndefined();
      expect(job).toMatchObject({
        status: 'succeeded',
        charge: { state: 'captured', amount: quote.price },
        output: { width: 244, height: 188 },
      });
      isLookedAt(job);
      const { receipt } = await client.json<{ receipt: JobView & { run: object } }>(`/v1/jobs/${job.id}/receipt`);
      expect(receipt).toMatchObject({ description: job.description, run: { tiles: quote.tiles, steps: 1 } });
      const document = await client.json<{ components: { schemas: Record<string, object> } }>('/openapi.json');
      expect(document.components.schemas).toHaveProperty('Degradation');
    } finally {
      await service.kill('SIGKILL');
    }
  });

  test('a job whose worker is killed begins anew, with the same result', async () => {
    const workshop = await createWorkshop({ modelsDirectory });
    const file = await photo(400, 300);
    const whole = await workshop.submit(file, { model: 'dasr' });
    const first = workshop.startWorker();
    const { output } = await workshop.until(whole.id, isTerminal);
    await first.drain();

    const { id } = await workshop.submit(file, { model: 'dasr' });
    const isBegun = ({ progress }: Job) => progress?.stage === 'describe' || progress?.stage === 'upscale';
    const interrupted = await killWorker(workshop, id, modelsDirectory, isBegun);
    expect(interrupted.job.status).toBe('running');
    workshop.startWorker(workshop.engine, interrupted.later);
    const job = await workshop.until(id, isTerminal);
    expect(job).toMatchObject({ status: 'succeeded', attempt: 2, charge: { state: 'captured' } });
    expect(job.output!.sha256).toBe(output!.sha256);
    isLookedAt(job);
    await workshop.close();
  });
});

describe('on the command line', () => {
  const program = (...given: string[]) =>
    run(process.execPath, given, { cwd: ROOT, env: { ...process.env, MODELS_DIR: join(directory, 'built') } });

  test('it is built and runs', async () => {
    const files = await writeDasrFiles(join(directory, 'given'));
    const options = Object.entries(files).flatMap(([option, path]) => [`--${option}`, path]);
    await program('gpu-worker/models-cli.ts', 'build', 'dasr', ...options, '--dtype', 'fp16');
    const { stdout } = await program('gpu-worker/models-cli.ts', 'verify', 'dasr');
    expect(stdout).toContain('dasr (Adaptive (DASR)): every file is as it should be.');
    const [input, output] = [join(directory, 'in.png'), join(directory, 'out.png')];
    await writeFile(input, await photo(33, 21));
    await program('gpu-worker/cli.ts', input, output, '--model', 'dasr');
    expect(await sharp(output).metadata()).toMatchObject({ width: 132, height: 84 });
  });
});

describe('photos of every kind', () => {
  test.each([
    ['one pixel', { width: 1, height: 1, channels: 3 }],
    ['a row', { width: 37, height: 1, channels: 3 }],
    ['a column', { width: 1, height: 29, channels: 3 }],
    ['odd sides and opacity', { width: 13, height: 7, channels: 4 }],
    ['gray', { width: 24, height: 16, channels: 1 }],
    ['gray with opacity', { width: 9, height: 11, channels: 2 }],
  ] as const)('%s', async (_, { width, height, channels }) => {
    const [inputPath, outputPath] = [join(directory, 'kind.png'), join(directory, 'kind-4x.png')];
    const data = Uint8Array.from({ length: width * height * channels }, (_, index) => 128 + 60 * Math.sin(index / 9));
    await sharp(data, { raw: { width, height, channels } })
      .toColourspace(channels < 3 ? 'b-w' : 'srgb')
      .png()
      .toFile(inputPath);
    const engine = createEngine({ device: 'cpu', modelsDirectory, log: createLog('silent', () => {}) });
    const request = { inputPath, outputPath, parameters, limits: DEFAULT_LIMITS };
    const result = await engine.restore(request, { onProgress: () => {}, signal });
    await engine.close();
    const { pixels, alpha } = await decodeBytes(await readFile(outputPath));
    expect(pixels).toMatchObject({ width: 4 * width, height: 4 * height, channels: channels < 3 ? 1 : 3 });
    expect(alpha !== undefined).toBe(channels % 2 === 0);
    expect(result.description!.degradation!.mixture.every(Number.isFinite)).toBe(true);
  });
});

describe('in its published size, with random weights', () => {
  let loaded: Awaited<ReturnType<typeof dasrEngine.load>>;
  beforeAll(async () => {
    const [files, built] = [join(directory, 'large-files'), join(directory, 'large')];
    await buildMethod('dasr', await writeDasrFiles(files, PUBLISHED_DASR, 0.001), built, 'fp16');
    loaded = await dasrEngine.load(join(built, 'dasr'), { device: 'cpu', parameters });
  });
  afterAll(() => loaded.release());

  async function restored(photo: Pixels, tileSize: number) {
    let tiles = 0;
    const onProgress = ({ stage, tiles: total = 1 }: Omit<Progress, 'percent'>) => {
      if (stage === 'upscale') tiles = total;
    };
    const { bands, description } = await loaded.restore(photo, {
      parameters,
      tileSize,
      published: false,
      onProgress,
      signal,
    });
    return { data: Array.from((await gather(bands, photo)).data), description, tiles };
  }

  test('tiles are within 2/255 of the whole, and see the same', async () => {
    const { pixels } = await decodeBytes(await photo(190, 40));
    const whole = await restored(pixels, 1000);
    expect(new Set(whole.data).size).toBeGreaterThan(100);
    for (const tileSize of [96, 128]) {
      const { data, description, tiles } = await restored(pixels, tileSize);
      expect(tiles).toBeGreaterThan(whole.tiles);
      expect(description).toEqual(whole.description);
      const differences = data.map((value, at) => Math.abs(value - whole.data[at]!));
      expect(differences.reduce((most, value) => Math.max(most, value), 0)).toBeLessThanOrEqual(2);
    }
  });
});
