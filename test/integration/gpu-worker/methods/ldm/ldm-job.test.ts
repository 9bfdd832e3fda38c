import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isTerminal } from '../../../../../shared/job.ts';
import { endAfterKill } from '../../../../support/killed-worker.ts';
import { openProduct, type Product, photoOfDog } from '../../../../support/product.ts';
import { createWorkshop } from '../../../../support/workshop.ts';

/** The small LDM-SR of the recorded set, from its file to the result, with the real programs. */

const SIZE = { width: 100, height: 90 };
/** Many: those of small networks are over before anybody has seen the third. */
const STEPS = 50;

let product: Product;
let photo: Uint8Array<ArrayBuffer>;
/** sha256 of the result without an interruption. */
let whole: string;

beforeAll(async () => {
  product = await openProduct();
  photo = await photoOfDog(SIZE.width, SIZE.height);
});
afterAll(() => product?.close());

test('is built by the command line from its published file, and restores a photo', async () => {
  const { build, models, run, directory, modelsDirectory } = product;
  await build('ldm');
  const { stdout: listed } = await models('list');
  expect(listed).toMatch(/^ldm +installed .*\n +MIT; weights: /m);
  expect(await readFile(join(modelsDirectory, 'ldm/LICENSES.md'), 'utf8')).toContain('CompVis/latent-diffusion');
  await writeFile(join(directory, 'photo.png'), photo);
  const given = [join(directory, 'photo.png'), join(directory, 'whole.png'), '--model', 'ldm', '--json'];
  const { stdout } = await run('gpu-worker/cli.ts', ...given, '--steps', String(STEPS));
  whole = JSON.parse(stdout).sha256;
  const { width, height } = await sharp(join(directory, 'whole.png')).metadata();
  expect([width, height]).toEqual([4 * SIZE.width, 4 * SIZE.height]);
});

test('goes on at its savepoint when its worker is killed, with the same bytes', async () => {
  const workshop = await createWorkshop({ modelsDirectory: product.modelsDirectory });
  try {
    const { id } = await workshop.submit(photo, { model: 'ldm', steps: STEPS });
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
