import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isTerminal } from '../../../../../shared/job.ts';
import { endAfterKill } from '../../../../support/killed-worker.ts';
import { openProduct, type Product, photoOfDog } from '../../../../support/product.ts';
import { createWorkshop } from '../../../../support/workshop.ts';

/** The small DiffBIR of the recorded set, from its files to the result, with the real programs. */

const SMALL = { width: 24, height: 16 };
const STEPS = 6;

let product: Product;
let photo: Uint8Array<ArrayBuffer>;
/** sha256 of the result without an interruption. */
let whole: string;

beforeAll(async () => {
  product = await openProduct();
  photo = await photoOfDog(SMALL.width, SMALL.height);
});
afterAll(() => product?.close());

test('is built by the command line from its published files, and restores a photo', async () => {
  const { build, models, run, directory, modelsDirectory } = product;
  await build('diffbir');
  const { stdout: listed } = await models('list');
  expect(listed).toMatch(/^diffbir +installed .*\n +Apache-2\.0; weights: /m);
  expect(await readFile(join(modelsDirectory, 'diffbir/LICENSES.md'), 'utf8')).toContain('XPixelGroup/DiffBIR');
  await writeFile(join(directory, 'photo.png'), photo);
  const given = [join(directory, 'photo.png'), join(directory, 'whole.png'), '--model', 'diffbir', '--json'];
  const { stdout } = await run('gpu-worker/cli.ts', ...given, '--steps', String(STEPS));
  whole = JSON.parse(stdout).sha256;
  const { width, height } = await sharp(join(directory, 'whole.png')).metadata();
  expect([width, height]).toEqual([4 * SMALL.width, 4 * SMALL.height]);
});

test('goes on at its savepoint when its worker is killed, with the same bytes', async () => {
  const workshop = await createWorkshop({ modelsDirectory: product.modelsDirectory });
  try {
    const { id } = await workshop.submit(photo, { model: 'diffbir', steps: STEPS });
    const { job, kept, first } = await endAfterKill(workshop, id, product.modelsDirectory, { step: 3 });
    expect(job).toMatchObject({ status: 'succeeded', attempt: 2, output: { sha256: whole } });
    expect(first).toBeGreaterThan(kept);
  } finally {
    await workshop.close();
  }
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
