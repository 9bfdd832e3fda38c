import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { METRICS } from '../../../evaluation/metrics/registry.ts';
import { createGraphBuilder } from '../../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';

const execute = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../../../evaluation/table2.ts', import.meta.url));
const PHOTO = fileURLToPath(new URL('../../fixtures/photos/08_animal_dog.png', import.meta.url));
const checkpoint = (metric: string, file: string) =>
  fileURLToPath(new URL(`../../fixtures/metrics/${metric}/checkpoints/${file}`, import.meta.url));

let folder: string;
let given: string[];

/** Two data sets of two pictures, and the published files of all metrics, made small. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-table-'));
  given = [];
  for (const [set, top] of [['first', 150] as const, ['second', 200] as const]) {
    const [hr, lr] = [join(folder, set === 'first' ? 'truths' : set), join(folder, `${set}-photos`)];
    for (const directory of [hr, lr]) await mkdir(directory);
    for (const [name, left] of [['a', 100] as const, ['b', 180] as const]) {
      await sharp(PHOTO)
        .extract({ left, top, width: 208, height: 200 })
        .png()
        .toFile(join(hr, `${name}.png`));
      await sharp(join(hr, `${name}.png`))
        .resize(52, 50)
        .jpeg({ quality: 60 })
        .toFile(join(lr, `${name}.jpg`));
    }
    // One named by the user, one by its folder.
    given.push('--hr', set === 'first' ? `first=${hr}` : hr, '--lr', lr);
  }
  const pair = join(folder, 'pair.onnx');
  await writeFile(pair, await meanDifference());
  const clip = checkpoint('clipiqa', 'RN50.pt');
  const files = {
    // Their backbones are published in one size only, of half a gigabyte.
    lpips: pair,
    dists: pair,
    maniqa: checkpoint('maniqa', 'MANIQA_PIPAL-ae6d356b.pth'),
    'maniqa-koniq': checkpoint('maniqa', 'ckpt_koniq10k.pt'),
    musiq: checkpoint('musiq', 'musiq_koniq_ckpt-e95806b9.pth'),
    clipiqa: clip,
    'clipiqa-plus': `${clip},${checkpoint('clipiqa', 'CLIP-IQA+_learned_prompts-603f3273.pth')}`,
    fid: checkpoint('fid', 'pt_inception-2015-12-05-6726825d.pth'),
  };
  for (const [id, paths] of Object.entries(files)) given.push('--metric', `${id}=${paths}`);
  given.push('--models', 'bicubic,real-esrgan-fast');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const FILES = ['table2.md', 'table2.csv', 'table2.tex', 'table2.json'];
const read = (out: string, file: string) => readFile(join(out, file), 'utf8');

test('all columns of two data sets; a run that was killed and called again makes the same', {
  timeout: 600_000,
}, async () => {
  const [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
  const { stdout } = await execute(process.execPath, [PROGRAM, ...given, '--out', whole]);
  expect(stdout).toBe(await read(whole, 'table2.md'));

  const csv = (await read(whole, 'table2.csv')).trimEnd().split('\n');
  expect(csv[0]).toBe(['set', 'model', ...METRICS.map(({ id }) => id)].join(','));
  const rows = csv.slice(1).map((line) => line.split(','));
  expect(rows.map(([set, model]) => `${set} ${model}`)).toEqual([
    'first bicubic',
    'first real-esrgan-fast',
    'second bicubic',
    'second real-esrgan-fast',
  ]);
  for (const row of rows) expect(row.slice(2).every((value) => Number.isFinite(Number.parseFloat(value)))).toBe(true);
  const lines = stdout.split('\n').filter((line) => line.startsWith('| first') || line.startsWith('| second'));
  expect(lines).toHaveLength(4);
  // Of two methods each column has a best and a second, unless both are equal.
  for (const line of lines) expect(line).toMatch(/\*\*|<u>/);
  expect(await read(whole, 'table2.tex')).toMatch(/\\textbf\{[\d.]+\} .*\\\\$/m);
  const sheet = await sharp(join(whole, 'second', 'contact-sheet.jpg')).metadata();
  expect(sheet.width).toBe(4 * 262 + 6);

  const killed = spawn(process.execPath, [PROGRAM, ...given, '--out', cut], { stdio: ['ignore', 'ignore', 'pipe'] });
  let told = '';
  killed.stderr.on('data', (chunk: Buffer) => {
    told += chunk;
    // In the middle of the second method of the first set.
    if (told.includes('first, real-esrgan-fast: b')) killed.kill('SIGKILL');
  });
  expect(await once(killed, 'close')).toEqual([null, 'SIGKILL']);
  await execute(process.execPath, [PROGRAM, ...given, '--out', cut]);
  for (const file of FILES.slice(0, 3)) expect(await read(cut, file)).toBe(await read(whole, file));
  expect(JSON.parse((await read(cut, 'table2.json')).replaceAll(cut, whole))).toEqual(
    JSON.parse(await read(whole, 'table2.json')),
  );

  const other = execute(process.execPath, [PROGRAM, ...given, '--out', cut, '--seed', '1']);
  await expect(other).rejects.toThrow(/records of a run with other options/);
});

test.each([
  ['without a data set', ['--models', 'bicubic', '--out', 'out'], /--hr and --lr of each data set/],
  [
    'with a truth too many',
    ['--hr', 'a', '--hr', 'b', '--lr', 'c', '--models', 'bicubic', '--out', 'out'],
    /of each data set/,
  ],
  [
    'with one name twice',
    ['--hr', 'a/x', '--hr', 'b/x', '--lr', 'c', '--lr', 'd', '--models', 'bicubic', '--out', 'out'],
    /two data sets have the name x; give another: --hr NAME=b\/x/,
  ],
])('refused is a call %s', async (_, words, message) => {
  await expect(execute(process.execPath, [PROGRAM, ...words])).rejects.toThrow(message);
});

/** In the place of LPIPS and DISTS: the mean of all squared differences. */
async function meanDifference(): Promise<Uint8Array> {
  const builder = createGraphBuilder('mean-difference');
  const shape = [1, 3, 'height', 'width'];
  const difference = builder.node('Sub', [builder.input('image', shape), builder.input('reference', shape)], {});
  const square = builder.node('Mul', [difference, difference], {});
  builder.output('score', builder.node('ReduceMean', [square], { keepdims: 0 }), []);
  return compileModel(builder.build(), () => Promise.reject(new RangeError('It has no weights.')));
}
