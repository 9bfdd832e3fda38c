import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { METRICS } from '../../../evaluation/metrics/registry.ts';
import { checkSizes, findPairs } from '../../../evaluation/pairs.ts';
import { createGraphBuilder } from '../../../gpu-worker/graphs/onnx.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { DEFAULT_LIMITS } from '../../../shared/limits.ts';

const execute = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../../../evaluation/main.ts', import.meta.url));
const PHOTO = fileURLToPath(new URL('../../fixtures/photos/08_animal_dog.png', import.meta.url));

let folder: string;
let hr: string;
let lr: string;

/** Two truths of 208 × 200 from one photo, and a quarter of them. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-evaluate-'));
  [hr, lr] = [join(folder, 'hr'), join(folder, 'lr')];
  for (const directory of [hr, lr]) await mkdir(directory);
  for (const [name, left] of [['fur', 100] as const, ['eye, left', 180] as const]) {
    const truth = sharp(PHOTO).extract({ left, top: 150, width: 208, height: 200 });
    await truth.png().toFile(join(hr, `${name}.png`));
    const small = sharp(join(hr, `${name}.png`)).resize(52, 50);
    await small.jpeg({ quality: 60 }).toFile(join(lr, `${name}.jpg`));
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

interface Results {
  notMeasured: string[];
  models: {
    model: string;
    means: Record<string, number>;
    images: { name: string; values: Record<string, number> }[];
  }[];
}

const run = (...given: string[]) => execute(process.execPath, [PROGRAM, '--hr', hr, '--lr', lr, ...given]);

test('a network and the filter are measured, with networks of the user', async () => {
  const networks = join(folder, 'networks');
  await mkdir(networks);
  await writeFile(join(networks, 'lpips.onnx'), await meanDifference());
  await writeFile(join(folder, 'features.onnx'), await meanColors());
  const out = join(folder, 'out');
  const metrics = ['--metrics-directory', networks, '--metric', `fid=${join(folder, 'features.onnx')}`];
  const { stdout } = await run('--models', 'bicubic,real-esrgan-fast', '--out', out, '--crop-seed', '123', ...metrics);

  const { models, notMeasured } = JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as Results;
  expect(models.map(({ model }) => model)).toEqual(['bicubic', 'real-esrgan-fast']);
  expect(notMeasured).toEqual(['DISTS', 'MANIQA', 'MANIQA-KonIQ', 'MUSIQ', 'CLIPIQA', 'CLIPIQA+']);
  expect(stdout).toContain(
    'Not measured, for want of a network: DISTS, MANIQA, MANIQA-KonIQ, MUSIQ, CLIPIQA, CLIPIQA+.',
  );
  expect(stdout).toContain('MANIQA on 20 crops that seed 123 draws');
  expect(stdout).toBe(await readFile(join(out, 'table.md'), 'utf8'));
  const [bicubic, network] = models as [Results['models'][0], Results['models'][0]];
  // A photo that was only made smaller and compressed: PSNR of a filter is at least 20 dB, and a network looks more natural.
  expect(bicubic.means.psnr).toBeGreaterThan(20);
  expect(network.means.niqe).toBeLessThan(bicubic.means.niqe!);
  expect(network.means.brisque).toBeLessThan(bicubic.means.brisque!);
  const values = bicubic.images.map((image) => image.values);
  expect(bicubic.means.ssim).toBeCloseTo((values[0]!.ssim! + values[1]!.ssim!) / 2, 12);

  // The stand-ins for learned networks compute a result that is known without them.
  const { name, values: first } = bicubic.images[0]!;
  expect(name).toBe('eye, left');
  const colors = async (path: string) => (await sharp(path).stats()).channels.map(({ mean }) => mean / 255);
  const [given, truth] = [join(out, 'results/bicubic', `${name}.png`), join(hr, `${name}.png`)];
  const difference = (await colors(given)).map((mean, channel) => [mean, channel] as const);
  const truthColors = await colors(truth);
  const expected = difference.reduce((sum, [mean, channel]) => sum + (mean - truthColors[channel]!) / 3, 0);
  expect(first.lpips).toBeCloseTo(expected, 5);
  expect(bicubic.means.fid).toBeGreaterThanOrEqual(0);
  expect(first).not.toHaveProperty('fid');

  const csv = (await readFile(join(out, 'images.csv'), 'utf8')).trimEnd().split('\n');
  expect(csv[0]).toBe('model,image,psnr,ssim,niqe,brisque,lpips,lpips-squeeze');
  expect(csv[1]).toMatch(/^bicubic,"eye, left",[\d.]+,0\.\d+,/);
  expect(csv).toHaveLength(5);
  const sheet = await sharp(join(out, 'contact-sheet.jpg')).metadata();
  expect([sheet.width, sheet.height]).toEqual([4 * 262 + 6, 28 + 2 * 262]);
});

test.each([
  ['an unknown model', ['--models', 'esrgan'], /--models esrgan: the models are bicubic, /],
  [
    'a model that is not installed',
    ['--models', 'bicubic,seesr'],
    /^seesr evaluate: seesr is not installed; installed: /m,
  ],
  ['an unknown metric', ['--models', 'bicubic', '--metric', 'psnr=a.onnx'], /--metric psnr=a\.onnx: it is ID=FILE/],
  [
    'a file too few',
    ['--models', 'bicubic', '--metric', 'lpips=a.pth'],
    /it is lpips=BACKBONE,WEIGHTS, or lpips=FILE\.onnx/,
  ],
  ['a missing network', ['--models', 'bicubic', '--metric', 'dists=no.onnx'], /there is no file no\.onnx/],
  ['a photo as weights', ['--models', 'bicubic', '--metric', `dists=${PHOTO},${PHOTO}`], /is not a file of weights/],
])('refused is %s', async (_, given, message) => {
  const failed = await run('--out', join(folder, 'refused'), ...given).catch((error: { stderr: string }) => error);
  expect(failed.stderr).toMatch(message);
});

test('refused is a file that is no network', async () => {
  const network = join(folder, 'photo.onnx');
  await copyFile(PHOTO, network);
  const given = ['--models', 'bicubic', '--metric', `musiq=${network}`, '--out', join(folder, 'refused')];
  const failed = await run(...given).catch((error: { stderr: string }) => error);
  expect(failed.stderr).toMatch(/cannot be run: .*must have/s);
});

test('the help lists every metric with what it needs, where it is published, and its license', async () => {
  const { stdout } = await execute(process.execPath, [PROGRAM, '--help']);
  for (const metric of METRICS) {
    const line = stdout
      .split('\n')
      .find((one) => one.startsWith(`  ${metric.id}=`) || one.startsWith(`  ${metric.id}:`));
    expect(line, metric.id).toContain(`: ${metric.label}`);
    if (!('needs' in metric)) continue;
    expect(stdout).toContain(`${metric.id}=${metric.needs.files.join(',')}: ${metric.label}`);
    for (const text of [metric.needs.from, metric.needs.license]) expect(stdout).toContain(text);
  }
});

test('pictures must have partners', async () => {
  const half = join(folder, 'half');
  await mkdir(half);
  await copyFile(join(lr, 'fur.jpg'), join(half, 'fur.jpg'));
  await expect(findPairs(hr, half)).rejects.toThrow('alone are: eye, left.');
  await expect(findPairs(folder, lr)).rejects.toThrow('has no pictures');
  await expect(checkSizes(await findPairs(hr, hr), 4, DEFAULT_LIMITS)).rejects.toThrow(
    'eye, left: the photo has 208×200 pixels',
  );
});

/** In the place of LPIPS: the mean of all differences. */
async function meanDifference(): Promise<Uint8Array> {
  const builder = createGraphBuilder('mean-difference');
  const shape = [1, 3, 'height', 'width'];
  const difference = builder.node('Sub', [builder.input('image', shape), builder.input('reference', shape)], {});
  builder.output('score', builder.node('ReduceMean', [difference], { keepdims: 0 }), []);
  return compileModel(builder.build(), () => Promise.reject(new RangeError('It has no weights.')));
}

/** In the place of Inception: three features, the mean colors. */
async function meanColors(): Promise<Uint8Array> {
  const builder = createGraphBuilder('mean-colors');
  const image = builder.input('image', [1, 3, 'height', 'width']);
  builder.output('features', builder.node('GlobalAveragePool', [image], {}), [1, 3, 1, 1]);
  return compileModel(builder.build(), () => Promise.reject(new RangeError('It has no weights.')));
}
