import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTerminal } from '../../../../../shared/job.ts';
import { endAfterKill } from '../../../../support/killed-worker.ts';
import { openProduct, type Product, photoOfDog } from '../../../../support/product.ts';
import { recordedFiles } from '../../../../support/recorded-files.ts';
import { createWorkshop } from '../../../../support/workshop.ts';

/** Every version of the small DiffBIR of the recorded set, from its files to the result, with the real programs. */

const SMALL = { width: 24, height: 16 };
const STEPS = 6;

let product: Product;
let photo: Uint8Array<ArrayBuffer>;
/** By model: sha256 of the result without an interruption. */
const whole = new Map<string, string>();

const VERSIONS = [
  { model: 'diffbir', version: 'v1' },
  { model: 'diffbir-v2', version: 'v2' },
  { model: 'diffbir-v21', version: 'v2.1' },
] as const;

beforeAll(async () => {
  product = await openProduct();
  photo = await photoOfDog(SMALL.width, SMALL.height);
});
afterAll(() => product?.close());

describe.each(VERSIONS)('version $version', ({ model, version }) => {
  test('is built by the command line from its published files, and restores a photo', async () => {
    const { models, run, directory, modelsDirectory } = product;
    const files = Object.entries(await recordedFiles(model)).flatMap(([option, path]) => [`--${option}`, path!]);
    await models('build', 'diffbir', '--version', version, ...files);
    const { stdout: listed } = await models('list');
    expect(listed).toMatch(new RegExp(`^${model} +installed .*\\n +Apache-2\\.0; weights: `, 'm'));
    const licenses = await readFile(join(modelsDirectory, model, 'LICENSES.md'), 'utf8');
    expect(licenses).toContain('XPixelGroup/DiffBIR');
    expect(licenses.includes('KAIR')).toBe(version === 'v2');
    await writeFile(join(directory, 'photo.png'), photo);
    const given = [join(directory, 'photo.png'), join(directory, 'whole.png'), '--model', model, '--json'];
    const { stdout } = await run('gpu-worker/cli.ts', ...given, '--steps', String(STEPS));
    whole.set(model, JSON.parse(stdout).sha256);
    const { width, height } = await sharp(join(directory, 'whole.png')).metadata();
    expect([width, height]).toEqual([4 * SMALL.width, 4 * SMALL.height]);
  });

  // The solver of version 2.1 remembers two steps.
  test('goes on at its savepoint when its worker is killed, with the same bytes', async () => {
    const workshop = await createWorkshop({ modelsDirectory: product.modelsDirectory });
    try {
      const { id } = await workshop.submit(photo, { model, steps: STEPS });
      const { job, kept, first } = await endAfterKill(workshop, id, product.modelsDirectory, { step: 3 });
      expect(job).toMatchObject({ status: 'succeeded', attempt: 2, output: { sha256: whole.get(model) } });
      expect(first).toBeGreaterThan(kept);
    } finally {
      await workshop.close();
    }
  });
});

test('what is wrong with a version is said by name', async () => {
  const { models } = product;
  const refused = async (...given: string[]) => {
    const failed = await models('build', ...given).catch((error: { stderr: string }) => error);
    return failed.stderr;
  };
  expect(await refused('diffbir', '--version', 'v3')).toContain('--version is v3; it must be v1 or v2 or v2.1.');
  expect(await refused('ldm', '--version', 'v2')).toContain('--version v2: ldm has no versions.');
  expect(await refused('diffbir', '--version', 'v2')).toContain('--diffbir-v2 is needed to build diffbir-v2.');
  const files = await recordedFiles('diffbir-v2');
  const other = { ...files, bsrnet: files['diffbir-v2'] };
  const options = Object.entries(other).flatMap(([option, path]) => [`--${option}`, path!]);
  expect(await refused('diffbir', '--version', 'v2', '--force', ...options)).toMatch(/v2\.pth is no ESRGAN/);
});

test('is canceled within a step, without charge', async () => {
  const workshop = await createWorkshop({ modelsDirectory: product.modelsDirectory });
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
