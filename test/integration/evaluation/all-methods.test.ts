import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { METRICS } from '../../../evaluation/metrics/registry.ts';
import { isShipped, type MethodId } from '../../../shared/methods/registry.ts';
import { fixture } from '../../support/sample-images.ts';
import { buildSmall, hazy } from '../../support/small-methods.ts';

/** All methods of Table 2 of the SeeSR paper in one run, as small networks: their numbers mean nothing. */

const execute = promisify(execFile);
const program = (name: string) => fileURLToPath(new URL(`../../../evaluation/${name}.ts`, import.meta.url));

const TABLE_2: readonly MethodId[] = [
  ...(['bsrgan', 'real-esrgan', 'ldl', 'dasr', 'femasr'] as const),
  ...(['ldm', 'stablesr', 'resshift', 'pasd', 'diffbir', 'seesr'] as const),
];
/** What a fresh machine has. */
const BUILT_IN = METRICS.filter((metric) => !('needs' in metric)).map(({ id }) => id);

let folder: string;
let given: string[];

/** One pair: FID alone, which needs a file, would want two. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-all-methods-'));
  const modelsDirectory = join(folder, 'models');
  const [hr, lr] = [join(folder, 'pairs'), join(folder, 'photos')];
  for (const directory of [hr, lr]) await mkdir(directory);
  // NIQE needs two of its blocks.
  const truth = sharp(fixture('pairs/kodim23.jpg')).resize(208, 200, { fit: 'fill' });
  await hazy(truth).png().toFile(join(hr, 'kodim23.png'));
  await sharp(join(hr, 'kodim23.png')).resize(52, 50).png().toFile(join(lr, 'kodim23.png'));
  for (const id of TABLE_2.filter((id) => !isShipped(id))) await buildSmall(id, modelsDirectory, join(folder, id));
  given = ['--hr', hr, '--lr', lr, '--models', TABLE_2.join(), '--steps', '1'];
  given.push('--models-directory', modelsDirectory, '--device', 'cpu', '--protocol', 'paper');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Row {
  model: string;
  means: Record<string, number>;
  images: { name: string; path: string; values: Record<string, number> }[];
}
const readJson = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
const numbersOf = (rows: readonly Row[]) =>
  rows.map(({ model, means, images }) => ({ model, means, images: images.map(({ name, values }) => [name, values]) }));

test('every method has every number; a table whose run is killed and called again has the same', {
  timeout: 600_000,
}, async () => {
  const [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
  const { stdout } = await execute(process.execPath, [program('main'), ...given, '--out', whole]);
  const { models } = (await readJson(join(whole, 'results.json'))) as { models: Row[] };
  expect(models.map(({ model }) => model)).toEqual(TABLE_2);
  for (const { model, means, images } of models) {
    for (const values of [means, ...images.map(({ values }) => values)]) {
      expect(Object.keys(values), model).toEqual(BUILT_IN);
      expect(Object.values(values).every(Number.isFinite), `${model}: ${JSON.stringify(values)}`).toBe(true);
    }
    expect(stdout).toMatch(new RegExp(`^\\| ${model} \\|( \\**[\\d.]+\\** \\|){${BUILT_IN.length}}$`, 'm'));
  }
  // Each row is that of its own method; only BSRGAN and LDL hand a photo on alike.
  expect(new Set(models.map(({ means }) => means.psnr)).size).toBe(TABLE_2.length - 1);
  const sheet = await sharp(join(whole, 'contact-sheet.jpg')).metadata();
  expect(sheet.width).toBe((TABLE_2.length + 2) * 262 + 6);

  const words = [program('table2'), ...given, '--out', cut];
  const killed = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let told = '';
  killed.stderr.on('data', (chunk: Buffer) => {
    told += chunk;
    if (told.includes('ldm: kodim23')) killed.kill('SIGKILL');
  });
  expect(await once(killed, 'close')).toEqual([null, 'SIGKILL']);
  await execute(process.execPath, words);
  const { sets } = (await readJson(join(cut, 'table2.json'))) as { sets: { rows: Row[] }[] };
  expect(numbersOf(sets[0]!.rows)).toEqual(numbersOf(models));
});

test('steps that no model has are refused', async () => {
  const run = execute(process.execPath, [program('main'), ...given, '--out', join(folder, 'no'), '--steps', '201']);
  await expect(run).rejects.toThrow('--steps 201: it is a whole number from 1 to 200.');
});
