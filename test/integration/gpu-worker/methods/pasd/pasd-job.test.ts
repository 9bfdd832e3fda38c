import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEngine } from '../../../../../gpu-worker/engine.ts';
import { DEFAULT_LIMITS } from '../../../../../shared/limits.ts';
import { createLog } from '../../../../../shared/log.ts';
import { OWN_MODELS } from '../../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../../shared/parameters.ts';
import { endAfterKill } from '../../../../support/killed-worker.ts';
import { createWorkshop } from '../../../../support/workshop.ts';

/** The small PASD of the recorded set, as a model of the product. */

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const CHECKPOINTS = join(ROOT, 'test/fixtures/pasd/checkpoints');
const ASKED = { model: 'pasd', steps: 5, prompt: 'a dog' };
const run = promisify(execFile);

let directory: string;
let modelsDirectory: string;
let photo: Buffer;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-pasd-job-'));
  modelsDirectory = join(directory, 'models');
  photo = await sharp(join(ROOT, 'local/demo-photo/dog.jpg')).resize(24, 16, { fit: 'fill' }).png().toBuffer();
  await writeFile(join(directory, 'photo.png'), photo);
});
afterAll(() => rm(directory, { recursive: true }));

test('is built by the command line, which says whose it is', async () => {
  const cli = (...given: string[]) => {
    const env = { ...process.env, DATA_DIR: join(directory, 'data'), MODELS_DIR: modelsDirectory };
    return run(process.execPath, [join(ROOT, 'gpu-worker/models-cli.ts'), ...given], { env });
  };
  const folders = ['--pasd', join(CHECKPOINTS, 'pasd/checkpoint-100000')];
  await expect(cli('build', 'pasd', ...folders)).rejects.toThrow(/--sd15 is needed to build pasd/);
  await cli('build', 'pasd', ...folders, '--sd15', join(CHECKPOINTS, 'stable-diffusion-v1-5'));
  const notice = await readFile(join(modelsDirectory, 'pasd/LICENSES.md'), 'utf8');
  expect(notice).toMatch(/## Apache-2\.0 \(PASD, .*[\s\S]*## CreativeML OpenRAIL-M[\s\S]*## MIT \(vocabulary of CLIP/);
  expect((await cli('verify', 'pasd')).stdout).toContain('every file is as it should be');
});

test('the dial makes it truer to the photo; a job whose worker is killed goes on, and nobody can tell', async () => {
  const results = await restoreAll([0, 0.5, 1].map((fidelity) => ({ fidelity })));
  const found = results.map(({ fidelity_report: report }) => report!.psnr);
  expect(found).toEqual(found.toSorted((a, b) => a - b));
  expect(results[0]!.description).toEqual({ prompt: 'a dog, clean, high-resolution, 8k', truncated: false, tags: [] });

  const workshop = await createWorkshop({ modelsDirectory });
  const { id } = await workshop.submit(photo, ASKED);
  const { job, kept, first } = await endAfterKill(workshop, id, modelsDirectory);
  await workshop.close();
  expect(job).toMatchObject({
    status: 'succeeded',
    attempt: 2,
    charge: { state: 'captured' },
    run: { steps: ASKED.steps, tiles: 1 },
    output: { sha256: results[0]!.sha256, width: 96, height: 64 },
  });
  expect(first).toBeGreaterThanOrEqual(kept);
});

/** The results of requests, each without an interruption. */
async function restoreAll(requests: readonly object[]) {
  const engine = createEngine({ device: 'cpu', modelsDirectory, log: createLog('silent', () => {}) });
  const results = [];
  for (const asked of requests) {
    const parameters = completeParameters(requestedParametersSchema.parse({ ...ASKED, ...asked }), OWN_MODELS);
    const [inputPath, outputPath] = [join(directory, 'photo.png'), join(directory, 'out.png')];
    const request = { inputPath, outputPath, parameters, limits: DEFAULT_LIMITS };
    results.push(await engine.restore(request, { onProgress: () => {}, signal: new AbortController().signal }));
  }
  await engine.close();
  return results;
}
