import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../../../../gpu-worker/engine.ts';
import { isTerminal, type Job } from '../../../../../shared/job.ts';
import { DEFAULT_LIMITS } from '../../../../../shared/limits.ts';
import { createLog } from '../../../../../shared/log.ts';
import { methodOf, modelsNamed } from '../../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../../shared/parameters.ts';
import { SEESR_CHANGES } from '../../../../support/picture-changes.ts';
import { buildRecorded } from '../../../../support/recorded-models.ts';
import { createWorkshop, type Workshop } from '../../../../support/workshop.ts';

/** The small SeeSR of the recorded set, as a model of the product. */

let modelsDirectory: string;
let workshop: Workshop | undefined;
beforeAll(async () => {
  modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-models-'));
  await buildRecorded(modelsDirectory, 'seesr');
  await buildRecorded(modelsDirectory, 'seesr-turbo');
});
afterEach(async () => {
  await workshop?.close();
  workshop = undefined;
});
afterAll(() => rm(modelsDirectory, { recursive: true }));

const DOG = new URL('../../../../../local/demo-photo/dog.jpg', import.meta.url);

/** A photo in which the small tagger finds something. */
async function photo(width = 60, height = 40): Promise<Uint8Array> {
  return await sharp(await readFile(DOG))
    .resize(width, height, { fit: 'fill' })
    .png()
    .toBuffer();
}

async function startWorkshop(): Promise<Workshop> {
  workshop = await createWorkshop({ modelsDirectory });
  workshop.startWorker();
  return workshop;
}

describe('a job with seesr', () => {
  test('is the default once it is built, tells its steps, and says what it saw', async () => {
    const { submit, until, bytesOf } = await startWorkshop();
    const submitted = await submit(await photo(), { model: undefined, steps: 4 });
    expect(submitted.parameters).toMatchObject({ ...methodOf({ model: 'seesr' }).defaults, model: 'seesr', steps: 4 });
    const seen: string[] = [];
    const job = await until(submitted.id, (job) => {
      if (job.progress) seen.push(`${job.progress.stage} ${job.progress.step ?? ''}`.trim());
      return isTerminal(job);
    });
    expect(job).toMatchObject({ status: 'succeeded', charge: { state: 'captured' } });
    expect(new Set(seen)).toContain('denoise 2');
    const { width, height } = await sharp(await bytesOf(job.output!.key)).metadata();
    expect([width, height]).toEqual([240, 160]);
    const { prompt, tags, truncated } = job.description!;
    expect(tags.length).toBeGreaterThan(0);
    for (const { score, threshold } of tags) expect(score).toBeGreaterThan(threshold);
    expect(prompt).toBe(`${tags.map(({ name }) => name).join(', ')}, ,clean, high-resolution, 8k`);
    expect(truncated).toBe(false);
  });

  test('is canceled between two steps, without charge', async () => {
    const { state, submit, until } = await startWorkshop();
    const { id } = await submit(await photo(), { model: 'seesr', steps: 200 });
    await until(id, ({ progress }) => (progress?.step ?? 0) >= 2);
    await state.updateJob(id, { type: 'cancel' });
    const job = await until(id, isTerminal);
    expect(job).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
    expect(job.progress!.step).toBeLessThan(100);
  });

  test('goes on with smaller tiles when the child is killed for its memory', async () => {
    const { engine, submit, until } = await startWorkshop();
    const { id } = await submit(await photo(200, 130), { model: 'seesr-turbo', steps: 4 });
    const before = await until(id, ({ progress }) => progress?.stage === 'denoise');
    process.kill(engine.pid()!, 'SIGKILL');
    const after = await until(id, (job) => (job.progress?.tiles ?? 0) !== before.progress!.tiles && isDenoising(job));
    expect(after.attempt).toBe(1);
    expect(after.progress!.tiles).toBeGreaterThan(before.progress!.tiles!);
    expect(await until(id, isTerminal)).toMatchObject({ status: 'succeeded', attempt: 1 });
  });
});

const isDenoising = ({ progress }: Job) => progress?.stage === 'denoise';

describe('requested parameters', () => {
  const engine = () => createEngine({ device: 'cpu', modelsDirectory, log: createLog('silent', () => {}) });

  test('every parameter changes the picture, and the same ones give the same bytes', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'seesr-parameters-'));
    const inputPath = join(directory, 'input.png');
    await sharp(await photo(24, 16)).toFile(inputPath);
    const running = engine();
    const restore = async (asked: object) => {
      const requested = requestedParametersSchema.parse({ model: 'seesr', steps: 1, ...asked });
      const parameters = completeParameters(requested, modelsNamed(['seesr', 'seesr-turbo']));
      const request = { inputPath, outputPath: join(directory, 'output'), parameters, limits: DEFAULT_LIMITS };
      const restored = running.restore(request, { onProgress: () => {}, signal: new AbortController().signal });
      // Without the colors of the photo, the output gate refuses the pictures of the random networks.
      return await restored.then(
        ({ sha256 }) => sha256,
        (error: Error) => error.message,
      );
    };
    const results = new Map<string, string>();
    const varied = [{}, ...Object.values(SEESR_CHANGES).flat()];
    for (const asked of varied) results.set(JSON.stringify(asked), await restore(asked));
    const twins = [...results].filter(([asked, sha]) => [...results].some(([o, t]) => o !== asked && t === sha));
    expect(twins).toEqual([]);
    expect(await restore({})).toBe(results.get('{}'));
    await running.close();
    expect(await restore({ seed: 1 })).toBe(results.get('{"seed":1}'));
    await running.close();
    await rm(directory, { recursive: true });
  });
});
