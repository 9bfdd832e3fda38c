import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { type Degradation, drawDegradation, type KernelParameters } from '../../../../evaluation/degradation/draw.ts';
import { compressPicture, type Picture } from '../../../../evaluation/degradation/jpeg.ts';
import { applyKernel, besselJ1, makeKernel } from '../../../../evaluation/degradation/kernel.ts';
import { addNoise } from '../../../../evaluation/degradation/noise.ts';
import { createRandom } from '../../../../evaluation/degradation/random.ts';
import { createPlane, type Plane } from '../../../../evaluation/plane.ts';
import { resizePlane } from '../../../../gpu-worker/images/torch-resize.ts';

const PROGRAM = fileURLToPath(new URL('../../../../evaluation/degradation/main.ts', import.meta.url));
const PHOTO = fileURLToPath(new URL('../../../fixtures/photos/08_animal_dog.png', import.meta.url));
const RECORDED = fileURLToPath(new URL('../../../fixtures/metrics/metrics.json', import.meta.url));

const DRAWS = 6000;
/** Seeds are fixed, so nothing here comes and goes; wrong rules would fail by far more. */
const DEVIATIONS = 4;

/** A share is that of a binomial distribution. */
function expectShare(count: number, total: number, probability: number, what: string): void {
  const deviation = Math.sqrt((probability * (1 - probability)) / total);
  expect(Math.abs(count / total - probability), what).toBeLessThanOrEqual(DEVIATIONS * deviation);
}

/** Kolmogorov and Smirnov: 1.95 / √n is passed by one in a thousand. */
function expectUniform(values: readonly number[], from: number, to: number, what: string): void {
  const sorted = [...values].sort((a, b) => a - b);
  expect(sorted.length, what).toBeGreaterThan(50);
  expect(sorted[0], what).toBeGreaterThanOrEqual(from);
  expect(sorted.at(-1), what).toBeLessThanOrEqual(to);
  const distances = sorted.map((value, rank) => Math.abs((value - from) / (to - from) - (rank + 0.5) / sorted.length));
  expect(Math.max(...distances), what).toBeLessThan(1.95 / Math.sqrt(sorted.length));
}

describe('the draws are those of the training', () => {
  const drawn = Array.from({ length: DRAWS }, (_, index) => drawDegradation(createRandom(1, `${index}`)));

  // Probabilities and ranges: Real-ESRGAN, as SeeSR makes its pairs.
  const stages = [
    { name: 'first', blur: 1, sigma: 3, up: 0.2, down: 0.7, scale: [0.15, 1.5], gaussian: 30, poisson: 3 },
    { name: 'second', blur: 0.8, sigma: 1.5, up: 0.3, down: 0.4, scale: [0.3, 1.2], gaussian: 25, poisson: 2.5 },
  ] as const;

  test.each(stages)('$name stage', ({ name, blur, sigma, up, down, scale, gaussian, poisson }) => {
    const all = drawn.map((degradation) => degradation[name]);
    const blurs = all.flatMap((stage) => stage.blur ?? []);
    expectShare(blurs.length, DRAWS, blur, 'blur');
    expectKernels(blurs, sigma);
    expectShare(all.filter((stage) => stage.scale > 1).length, DRAWS, up, 'up');
    expectShare(all.filter((stage) => stage.scale < 1).length, DRAWS, down, 'down');
    const scales = all.map((stage) => stage.scale);
    expectUniform(
      scales.filter((value) => value > 1),
      1,
      scale[1],
      'scale up',
    );
    expectUniform(
      scales.filter((value) => value < 1),
      scale[0],
      1,
      'scale down',
    );
    expectModes(all.map(({ resize }) => resize));
    const noises = all.map(({ noise }) => noise);
    const strengths = (kind: string) => noises.filter((noise) => noise.kind === kind).map(({ strength }) => strength);
    expectShare(strengths('gaussian').length, DRAWS, 0.5, 'gaussian noise');
    expectUniform(strengths('gaussian'), 1, gaussian, 'sigma of noise');
    expectUniform(strengths('poisson'), 0.05, poisson, 'scale of Poisson noise');
    expectShare(noises.filter(({ grey }) => grey).length, DRAWS, 0.4, 'grey noise');
    expectUniform(
      all.map(({ jpegQuality }) => jpegQuality),
      30,
      95,
      'JPEG quality',
    );
  });

  test('end', () => {
    expectShare(drawn.filter(({ end }) => end === 'resize-jpeg').length, DRAWS, 0.5, 'order');
    expectModes(drawn.map(({ finalResize }) => finalResize));
    const sincs = drawn.flatMap(({ finalSinc }) => finalSinc ?? []);
    expectShare(sincs.length, DRAWS, 0.8, 'final sinc');
    expectSizes(sincs);
    expectUniform(
      sincs.map((kernel) => (kernel.shape === 'sinc' ? kernel.cutoff : 0)),
      Math.PI / 3,
      Math.PI,
      'cutoff',
    );
  });
});

function expectModes(modes: Degradation['finalResize'][]): void {
  for (const mode of ['area', 'bilinear', 'bicubic'] as const) {
    expectShare(modes.filter((one) => one === mode).length, modes.length, 1 / 3, mode);
  }
}

function expectSizes(kernels: readonly KernelParameters[]): void {
  for (const size of [7, 9, 11, 13, 15, 17, 19, 21]) {
    expectShare(kernels.filter((kernel) => kernel.size === size).length, kernels.length, 1 / 8, `size ${size}`);
  }
}

function expectKernels(kernels: readonly KernelParameters[], sigma: number): void {
  expectSizes(kernels);
  const sincs = kernels.filter((kernel) => kernel.shape === 'sinc');
  expectShare(sincs.length, kernels.length, 0.1, 'sinc');
  for (const small of [true, false]) {
    const cutoffs = sincs.filter(({ size }) => size < 13 === small).map(({ cutoff }) => cutoff);
    expectUniform(cutoffs, Math.PI / (small ? 3 : 5), Math.PI, 'cutoff');
  }
  const bells = kernels.filter((kernel) => kernel.shape !== 'sinc');
  const count = (test: (kernel: (typeof bells)[number]) => boolean) => bells.filter(test).length;
  const round = (kernel: (typeof bells)[number]) => kernel.sigmaX === kernel.sigmaY;
  expectShare(count(round), bells.length, 0.45 + 0.12 + 0.12, 'round');
  expectShare(
    count((kernel) => kernel.shape === 'plateau'),
    bells.length,
    0.15,
    'plateau',
  );
  expectShare(
    count((kernel) => kernel.shape === 'plateau' && !round(kernel)),
    bells.length,
    0.03,
    'oval plateau',
  );
  expectShare(
    count(({ shape, beta }) => shape === 'gaussian' && beta !== 1),
    bells.length,
    0.15,
    'generalized',
  );
  expectShare(
    count(({ shape, beta }) => shape === 'plateau' && beta === 1),
    bells.length,
    0.075,
    'beta of 1',
  );
  expectUniform(
    bells.map(({ sigmaX }) => sigmaX),
    0.2,
    sigma,
    'sigma',
  );
  const ovals = bells.filter((kernel) => !round(kernel));
  expectUniform(
    ovals.map(({ sigmaY }) => sigmaY),
    0.2,
    sigma,
    'the other sigma',
  );
  expectUniform(
    ovals.map(({ rotation }) => rotation),
    -Math.PI,
    Math.PI,
    'rotation',
  );
  const betas = (shape: string, from: number, to: number) =>
    bells.filter((kernel) => kernel.shape === shape && kernel.beta > from && kernel.beta < to).map(({ beta }) => beta);
  expectUniform(betas('gaussian', 0, 1), 0.5, 1, 'beta below 1');
  expectUniform(betas('gaussian', 1, 5), 1, 4, 'beta above 1');
  expectUniform(betas('plateau', 1, 3), 1, 2, 'beta of plateaus');
}

test('kernels have the moments and ratios of their definitions', () => {
  const turned = { shape: 'gaussian', size: 21, sigmaX: 2.5, sigmaY: 1.2, rotation: 0.6, beta: 1 } as const;
  const kernel = makeKernel(turned);
  const moment = (weigh: (x: number, y: number) => number) =>
    kernel.data.reduce((sum, value, index) => sum + value * weigh((index % 21) - 10, Math.floor(index / 21) - 10), 0);
  const [cosine, sine] = [Math.cos(0.6), Math.sin(0.6)];
  // R diag(σx², σy²) Rᵀ; the weight outside of 21 pixels is less than the tolerance.
  expect(moment(() => 1)).toBeCloseTo(1, 12);
  expect(moment((x) => x * x)).toBeCloseTo((cosine * 2.5) ** 2 + (sine * 1.2) ** 2, 1);
  expect(moment((x, y) => x * y)).toBeCloseTo(cosine * sine * (2.5 ** 2 - 1.2 ** 2), 1);
  const ratio = (parameters: KernelParameters) => {
    const { data, width } = makeKernel(parameters);
    const center = (data.length - 1) / 2;
    return data[center + 2 * width]! / data[center]!;
  };
  const bell = { size: 9, sigmaX: 1.5, sigmaY: 1.5, rotation: 0, beta: 1.7 };
  expect(ratio({ ...bell, shape: 'gaussian' })).toBeCloseTo(Math.exp(-0.5 * (4 / 2.25) ** 1.7), 12);
  expect(ratio({ ...bell, shape: 'plateau' })).toBeCloseTo(1 / (1 + (4 / 2.25) ** 1.7), 12);
  expect(ratio({ shape: 'sinc', size: 9, cutoff: 2 })).toBeCloseTo(besselJ1(4) / 2, 12);
});

test('a kernel mirrors the picture at its borders', () => {
  const line: Plane = { width: 3, height: 1, data: Float64Array.of(1, 2, 4) };
  const shift = { ...createPlane(3, 3), data: Float64Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0) };
  expect([...applyKernel(line, shift).data]).toEqual([2, 1, 2]);
});

test("Bessel's function is SciPy's, resampling is OpenCV's", async () => {
  const recorded = JSON.parse(await readFile(RECORDED, 'utf8')) as {
    bessel_j1: Record<string, number>;
    resized: Record<'bilinear' | 'bicubic', number[]>;
  };
  for (const [x, expected] of Object.entries(recorded.bessel_j1)) expect(besselJ1(Number(x))).toBeCloseTo(expected, 11);
  const source: Plane = { width: 7, height: 5, data: Float64Array.from({ length: 35 }, (_, index) => index ** 2 % 23) };
  for (const mode of ['bilinear', 'bicubic'] as const) {
    const target = createPlane(11, 3);
    resizePlane(source, target, mode);
    // OpenCV computes in single precision.
    for (const [index, value] of target.data.entries()) expect(value).toBeCloseTo(recorded.resized[mode][index]!, 4);
  }
  const mean = createPlane(2, 1);
  resizePlane({ width: 5, height: 1, data: Float64Array.of(1, 2, 3, 4, 8) }, mean, 'area');
  expect([...mean.data], 'windows overlap, as in PyTorch').toEqual([2, 5]);
});

const grey = (value: number): Picture => {
  const plane = () => ({ ...createPlane(120, 120), data: new Float64Array(120 ** 2).fill(value) });
  return [plane(), plane(), plane()];
};
const momentsOf = (values: Iterable<number>) => {
  const list = [...values];
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  return { mean, variance: list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length };
};

test.each([0.4, 5, 12, 200])('a Poisson number of mean %d has that mean and variance', (mean) => {
  const random = createRandom(2, 'poisson');
  const found = momentsOf(Array.from({ length: 40_000 }, () => random.poisson(mean)));
  expect(Math.abs(found.mean - mean)).toBeLessThan(DEVIATIONS * Math.sqrt(mean / 40_000));
  // The variance of the variance: (μ + 2 μ²) / n.
  expect(Math.abs(found.variance - mean)).toBeLessThan(DEVIATIONS * Math.sqrt((mean + 2 * mean ** 2) / 40_000));
});

test('noise has the strength that was asked for, alike in all colors where it is grey', () => {
  const random = createRandom(3, 'noise');
  const [red, green] = addNoise(grey(0.5), { kind: 'gaussian', strength: 12, grey: false }, random);
  const found = momentsOf(red.data);
  // Of n values: σ / √(2n).
  expect(Math.abs(Math.sqrt(found.variance) * 255 - 12)).toBeLessThan((DEVIATIONS * 12) / Math.sqrt(2 * 120 ** 2));
  expect(red.data).not.toEqual(green.data);
  // One level is used: one photon at most is counted, of 128/255, and multiplied by the strength.
  const [first, , third] = addNoise(grey(128 / 255), { kind: 'poisson', strength: 0.1, grey: true }, random);
  expect(first.data).toEqual(third.data);
  const photons = momentsOf(first.data.map((value) => (value - 128 / 255) / 0.1 + 128 / 255));
  expect(Math.abs(photons.variance - 128 / 255)).toBeLessThan(DEVIATIONS * Math.sqrt((0.5 + 2 * 0.25) / 120 ** 2));
});

test.each([35, 60, 90])('the JPEG of quality %d is that of a codec', async (quality) => {
  const area = { left: 100, top: 100, width: 150, height: 133 };
  const truth = await sharp(PHOTO).extract(area).raw().toBuffer();
  const raw = { width: area.width, height: area.height, channels: 3 } as const;
  const jpeg = await sharp(truth, { raw }).jpeg({ quality, chromaSubsampling: '4:2:0' }).toBuffer();
  const codec = await sharp(jpeg).raw().toBuffer();
  const plane = (channel: number) => ({
    ...createPlane(area.width, area.height),
    data: Float64Array.from({ length: area.width * area.height }, (_, index) => truth[3 * index + channel]! / 255),
  });
  const emulated = compressPicture([plane(0), plane(1), plane(2)], quality);
  const squares = (a: (index: number) => number, b: (index: number) => number) =>
    truth.reduce((sum, _, index) => sum + (a(index) - b(index)) ** 2, 0) / truth.length;
  const ours = (index: number) => 255 * emulated[(index % 3) as 0 | 1 | 2].data[Math.floor(index / 3)]!;
  const loss = squares(ours, (index) => truth[index]!);
  const codecLoss = squares(
    (index) => codec[index]!,
    (index) => truth[index]!,
  );
  // It loses as much, and the two are nearer to each other than to the truth: the codec rounds its tables and samples,
  // and enlarges colors more smoothly.
  expect(loss / codecLoss).toBeGreaterThan(0.8);
  expect(loss / codecLoss).toBeLessThan(1.25);
  expect(squares(ours, (index) => codec[index]!)).toBeLessThan(loss / 2);
});

test('same seed, same bytes, with other files in the folder too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'seesr-degrade-'));
  try {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    for (const directory of [one, two]) await mkdir(directory);
    await copyFile(PHOTO, join(one, 'dog.png'));
    await copyFile(PHOTO, join(two, 'dog.png'));
    await copyFile(PHOTO, join(two, 'again.png'));
    const run = async (hr: string, seed: string) => {
      const out = join(folder, `${seed}-${Math.random()}`);
      const given = ['--hr', hr, '--out', out, '--seed', seed, '--crop', '128', '--sharpen'];
      await promisify(execFile)(process.execPath, [PROGRAM, ...given]);
      const read = (file: string) => readFile(join(out, file));
      return {
        hr: await read('hr/dog.png'),
        lr: await read('lr/dog.png'),
        facts: await read('degradations.json'),
        out,
      };
    };
    const [first, beside, other] = [await run(one, '7'), await run(two, '7'), await run(one, '8')];
    expect(beside.hr.equals(first.hr)).toBe(true);
    expect(beside.lr.equals(first.lr)).toBe(true);
    expect(other.lr.equals(first.lr)).toBe(false);
    expect((await readFile(join(beside.out, 'lr/again.png'))).equals(first.lr), 'names matter').toBe(false);
    const [hr, lr] = [await sharp(first.hr).metadata(), await sharp(first.lr).metadata()];
    expect([hr.width, hr.height, lr.width, lr.height]).toEqual([128, 128, 32, 32]);
    expect(JSON.parse(first.facts.toString())).toMatchObject({ seed: 7, pictures: { dog: { first: { noise: {} } } } });
    const odd = promisify(execFile)(process.execPath, [PROGRAM, '--hr', one, '--out', folder, '--crop', '130']);
    await expect(odd).rejects.toThrow('dog has 576×576 pixels, taken would be 130×130');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
