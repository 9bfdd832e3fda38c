import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEngine, type Engine } from '../../../../../gpu-worker/engine.ts';
import { isTerminal } from '../../../../../shared/job.ts';
import { DEFAULT_LIMITS } from '../../../../../shared/limits.ts';
import { createLog } from '../../../../../shared/log.ts';
import { OWN_MODELS } from '../../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../../shared/parameters.ts';
import { endAfterKill } from '../../../../support/killed-worker.ts';
import { createWorkshop, type Workshop } from '../../../../support/workshop.ts';

/** The small StableSR of the recorded set, as a model of the product. */

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const CHECKPOINTS = join(ROOT, 'test/fixtures/stablesr/checkpoints');
const STEPS = 4;
/** Only with these colors the gate lets pictures of random networks pass. */
const ASKED = { model: 'stablesr', steps: STEPS, color_fix: 'wavelet' };
const run = promisify(execFile);

let directory: string;
let modelsDirectory: string;
let photo: Buffer;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-stablesr-job-'));
  modelsDirectory = join(directory, 'models');
  photo = await sharp(join(ROOT, 'local/demo-photo/dog.jpg')).resize(24, 16, { fit: 'fill' }).png().toBuffer();
  await writeFile(join(directory, 'photo.png'), photo);
});
afterAll(() => rm(directory, { recursive: true }));

test('is built by the command line, which says whose it is and that it must not be sold', async () => {
  const cli = (...given: string[]) => {
    const env = { ...process.env, DATA_DIR: join(directory, 'data'), MODELS_DIR: modelsDirectory };
    return run(process.execPath, [join(ROOT, 'gpu-worker/models-cli.ts'), ...given], { env });
  };
  const files = {
    stablesr: 'stablesr_000117.ckpt',
    'stablesr-cfw': 'vqgan_cfw_00011.ckpt',
    'stablesr-config': 'config.json',
  };
  const options = Object.entries(files).flatMap(([option, file]) => [`--${option}`, join(CHECKPOINTS, file)]);
  const built = await cli('build', 'stablesr', ...options);
  expect(built.stdout).toContain('Its license forbids commercial use: offer it to nobody for money.');
  expect(await readFile(join(modelsDirectory, 'stablesr/LICENSES.md'), 'utf8')).toContain('S-Lab License 1.0');
  expect((await cli('verify', 'stablesr')).stdout).toContain('every file is as it should be');
});

const createTestEngine = () => createEngine({ device: 'cpu', modelsDirectory, log: createLog('silent', () => {}) });

/** The result of an engine without an interruption. */
async function restore(engine: Engine, asked: object) {
  const parameters = completeParameters(requestedParametersSchema.parse({ ...ASKED, ...asked }), OWN_MODELS);
  const [inputPath, outputPath] = [join(directory, 'photo.png'), join(directory, 'out.png')];
  const request = { inputPath, outputPath, parameters, limits: DEFAULT_LIMITS };
  return await engine.restore(request, { onProgress: () => {}, signal: new AbortController().signal });
}

test('the dial makes it truer to the photo', async () => {
  const engine = createTestEngine();
  const found: number[] = [];
  for (const fidelity of [0, 1]) found.push((await restore(engine, { steps: 1, fidelity })).fidelity_report!.psnr);
  expect(found[1]).toBeGreaterThan(found[0]!);
  await engine.close();
});

describe('a job', () => {
  let workshop: Workshop;
  beforeEach(async () => {
    workshop = await createWorkshop({ modelsDirectory });
  });
  afterEach(() => workshop.close());

  test('whose worker is killed goes on at its last step, and nobody can tell', async () => {
    const engine = createTestEngine();
    const { sha256 } = await restore(engine, {});
    await engine.close();
    const { id } = await workshop.submit(photo, ASKED);
    const { job, kept, first } = await endAfterKill(workshop, id, modelsDirectory);
    expect(job).toMatchObject({
      status: 'succeeded',
      attempt: 2,
      charge: { state: 'captured' },
      run: { steps: STEPS, tiles: 1 },
      output: { sha256, width: 96, height: 64 },
    });
    expect(first).toBeGreaterThanOrEqual(kept);
  });

  test('is canceled between two steps, without charge', async () => {
    const { id } = await workshop.submit(photo, { model: 'stablesr' });
    workshop.startWorker();
    await workshop.until(id, ({ progress }) => (progress?.step ?? 0) >= 2);
    await workshop.state.updateJob(id, { type: 'cancel' });
    const job = await workshop.until(id, isTerminal);
    expect(job).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
    expect(job.progress!.step).toBeLessThan(150);
  });
});
