import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { brisque, brisqueFeatures, readBrisqueModel, scoreFeatures } from '../../../../evaluation/metrics/brisque.ts';
import { frechetDistance } from '../../../../evaluation/metrics/frechet-distance.ts';
import { logGamma } from '../../../../evaluation/metrics/gamma.ts';
import type { Metric, PictureMetric } from '../../../../evaluation/metrics/metric.ts';
import { niqe, niqeMetric, readPristineModel } from '../../../../evaluation/metrics/niqe.ts';
import { PROTOCOLS, type Protocol } from '../../../../evaluation/metrics/protocol.ts';
import { psnr, psnrMetric } from '../../../../evaluation/metrics/psnr.ts';
import { ssim, ssimMetric } from '../../../../evaluation/metrics/ssim.ts';
import {
  createPlane,
  cutPlane,
  greyLevels,
  luminance,
  wholeLevels,
  withoutBorder,
} from '../../../../evaluation/plane.ts';
import { decodeImage } from '../../../../gpu-worker/images/decode.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';

/** Results of programs of others; see fixtures/metrics/record.py. */
interface Recorded {
  pictures: Record<
    string,
    { psnr: number | null; ssim: number; niqe: number; brisque_features: number[]; brisque: number }
  >;
  frechet: { seven_to_nine: number };
  log_gamma: Record<string, number>;
}

const fixture = (path: string) => fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url));
const recorded = JSON.parse(await readFile(fixture('metrics/metrics.json'), 'utf8')) as Recorded;
const [pristine, brisqueModel] = [await readPristineModel(), await readBrisqueModel()];

describe.each(Object.entries(recorded.pictures))('%s', (name, expected) => {
  const [photo, change] = name.split(' ') as [string, string];
  const pictures = async () => {
    const { pixels } = await decodeImage(fixture(`photos/${photo}.png`), DEFAULT_LIMITS);
    return { truth: pixels, given: change === 'worse' ? worsen(pixels) : pixels };
  };

  test('PSNR and SSIM are those of scikit-image', async () => {
    const { truth, given } = await pictures();
    const [a, b] = [withoutBorder(luminance(truth), 4), withoutBorder(luminance(given), 4)];
    // Of equal pictures it is infinite there, and 100 here.
    expect(psnr(a, b)).toBeCloseTo(expected.psnr ?? 100, 9);
    // Doubles on both sides; sums in another order.
    expect(ssim(a, b)).toBeCloseTo(expected.ssim, 9);
  });

  test("NIQE is BasicSR's", async () => {
    const { given } = await pictures();
    // BasicSR halves in single precision here; a shape next to the boundary of two steps of 0.001 may take the other.
    expect(niqe(luminance(given), pristine)).toBeCloseTo(expected.niqe, 3);
  });

  test("BRISQUE's features are OpenCV's, its score is LIBSVM's", async () => {
    const { given } = await pictures();
    const grey = greyLevels(given);
    for (const [index, value] of brisqueFeatures(grey).entries()) {
      // OpenCV computes in single precision, and shapes have steps of 0.001.
      expect(Math.abs(value - expected.brisque_features[index]!), `feature ${index}`).toBeLessThan(0.0015);
    }
    // Of equal features to the digits that LIBSVM's file has; the features' differences make up for the rest.
    expect(scoreFeatures(expected.brisque_features, brisqueModel)).toBeCloseTo(expected.brisque, 6);
    expect(Math.abs(brisque(grey, brisqueModel)! - expected.brisque)).toBeLessThan(0.1);
  });
});

test('a picture without statistics has no NIQE and no BRISQUE', async () => {
  const { pixels } = await decodeImage(fixture('photos/08_animal_dog.png'), DEFAULT_LIMITS);
  const photo = luminance(pixels);
  expect(niqe(cutPlane(photo, 0, 0, 191, 191), pristine), 'one block').toBeUndefined();
  expect(niqe(cutPlane(photo, 0, 0, 192, 96), pristine), 'two blocks').toBeGreaterThan(0);
  const flat = createPlane(400, 400);
  flat.data.fill(77);
  expect(niqe(flat, pristine), 'flat').toBeUndefined();
  expect(brisque(flat, brisqueModel), 'flat').toBeUndefined();
});

test('the paper has other numbers: 80 dB at most, SSIM of whole levels, NIQE of full-range grey', async () => {
  const { pixels } = await decodeImage(fixture('photos/10_text_mies.png'), DEFAULT_LIMITS);
  const changed = worsen(pixels);
  const measure = async (metric: Metric, protocol: Protocol, result: Pixels) => {
    const open = (await metric.open({ files: [], device: 'cpu', protocol })) as PictureMetric;
    return (await open.measure(result, pixels))!;
  };
  for (const metric of [psnrMetric, ssimMetric, niqeMetric]) {
    const [own, paper] = [
      await measure(metric, PROTOCOLS.own, changed),
      await measure(metric, PROTOCOLS.paper, changed),
    ];
    expect(paper, metric.id).not.toBe(own);
    expect(Math.abs(paper / own - 1), metric.id).toBeLessThan(0.02);
  }
  expect(await measure(psnrMetric, PROTOCOLS.paper, pixels)).toBeCloseTo(80, 9);
  expect(await measure(psnrMetric, PROTOCOLS.own, pixels)).toBe(100);
});

test('whole levels are the nearest, halves the even ones', () => {
  const plane = { width: 3, height: 2, data: Float64Array.of(0.5, 1.5, 2.5, 2.4999, 7, 254.5) };
  expect([...wholeLevels(plane).data]).toEqual([0, 2, 2, 2, 7, 254]);
});

test('PSNR and SSIM refuse pictures smaller than their window', () => {
  expect(() => withoutBorder(createPlane(8, 40), 4)).toThrow('8×40');
  const small = withoutBorder(createPlane(18, 40), 4);
  expect(() => ssim(small, small)).toThrow('10×32');
});

test("the Fréchet distance is that by SciPy's root of a matrix, with more samples on either side", () => {
  const wave = (rows: number, phase: number) =>
    Array.from({ length: rows }, (_, row) =>
      Float64Array.from(
        { length: 5 },
        (_, column) => Math.sin((row * 5 + column) * 1.7 + phase) * (column + 1) + phase,
      ),
    );
  const [seven, nine] = [wave(7, 0), wave(9, 0.4)];
  expect(frechetDistance(seven, nine)).toBeCloseTo(recorded.frechet.seven_to_nine, 6);
  expect(frechetDistance(nine, seven)).toBeCloseTo(recorded.frechet.seven_to_nine, 6);
  expect(frechetDistance(nine, nine)).toBeCloseTo(0, 9);
  expect(() => frechetDistance(seven, nine.slice(1, 2))).toThrow('7 and 1');
});

test("ln Γ is SciPy's", () => {
  for (const [x, expected] of Object.entries(recorded.log_gamma)) expect(logGamma(Number(x))).toBeCloseTo(expected, 11);
});

/** As in record.py: pairs of columns averaged, then a pattern of −8..8 levels added. */
function worsen(pixels: Pixels): Pixels {
  const { width, channels, data } = pixels;
  const changed = new Uint8ClampedArray(data.length);
  for (const [index, value] of data.entries()) {
    const [row, column] = [Math.floor(index / channels / width), Math.floor(index / channels) % width];
    const right = data[column === width - 1 ? index : index + channels]!;
    changed[index] = ((value + right) >> 1) + ((row * 13 + column * 7 + row * column) % 17) - 8;
  }
  return { ...pixels, data: new Uint8Array(changed.buffer) };
}
