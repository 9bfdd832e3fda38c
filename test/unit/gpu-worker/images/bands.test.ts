import { describe, expect, test } from 'vitest';
import type { Band, Bands } from '../../../../gpu-worker/images/bands.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { gatherResult } from '../../../../gpu-worker/images/result-rows.ts';
import { compareCoarsely } from '../../../../gpu-worker/restore/coarse-blocks.ts';
import { fixColors } from '../../../../gpu-worker/restore/color-fix.ts';
import { compareWithPhoto } from '../../../../gpu-worker/restore/compare.ts';
import { blendFaithful } from '../../../../gpu-worker/restore/faithful-blend.ts';
import { gather } from '../../../support/bands.ts';
import { noise } from '../../../support/sample-images.ts';

/** The work on a picture does not depend on how it is cut into bands. */

const [WIDTH, HEIGHT] = [19, 61];
/** Rows of the photo a band: one by one, few, more than a blur reaches, all. */
const CUTS = [1, 5, 23, HEIGHT];

type Kind = { channels: 1 | 3; bitDepth: 8 | 16 };
const KINDS: Kind[] = ([1, 3] as const).flatMap((channels) =>
  ([8, 16] as const).map((bitDepth) => ({ channels, bitDepth })),
);

const samples = (length: number, bitDepth: 8 | 16, seed: number) => {
  const bytes = noise(length, seed);
  return bitDepth === 16 ? Uint16Array.from(bytes, (value, index) => value * 200 + (index % 256)) : bytes;
};
const photoOf = ({ channels, bitDepth }: Kind): Pixels => {
  return { width: WIDTH, height: HEIGHT, channels, data: samples(WIDTH * HEIGHT * channels, bitDepth, 1) };
};
const alpha: Pixels = { width: WIDTH, height: HEIGHT, channels: 1, data: noise(WIDTH * HEIGHT, 5) };

/** A picture of its own for each use: steps change their input. */
async function* cut({ channels, bitDepth }: Kind, rows: number): AsyncGenerator<Band> {
  const length = 16 * WIDTH * channels;
  const data = samples(HEIGHT * length, bitDepth, 2);
  for (let start = 0; start < HEIGHT; start += rows) {
    const count = Math.min(rows, HEIGHT - start);
    yield { start, count, data: data.slice(start * length, (start + count) * length) };
  }
}

const STEPS: Record<string, (photo: Pixels, bands: Bands) => Promise<unknown>> = {
  'colors by wavelet': (photo, bands) => gather(fixColors(photo, bands, 'wavelet', { alpha }), photo),
  'colors by adain': (photo, bands) => gather(fixColors(photo, bands, 'adain', { alpha }), photo),
  'colors as they are': (photo, bands) => gather(fixColors(photo, bands, 'none', { alpha }), photo),
  'the blend': (photo, bands) => gather(blendFaithful(photo, bands, 0.3), photo),
  'the comparison': async (photo, bands) => {
    const comparing = compareWithPhoto(photo, alpha);
    for await (const band of bands) comparing.add(band);
    return comparing.end();
  },
  'the coarse comparison': async (photo, bands) => {
    const comparing = compareCoarsely(photo, alpha);
    for await (const band of bands) comparing.add(band);
    return comparing.end();
  },
  'another size': async (photo, bands) => {
    const result = gatherResult({ photo, width: 31, height: 100, bitDepth: 16 });
    for await (const band of bands) result.add(band);
    return result.pixels;
  },
  'another size, weighed by opacity': async (photo, bands) => {
    const result = gatherResult({ photo, alpha, width: 31, height: 100, bitDepth: 8 });
    for await (const band of bands) result.add(band);
    return result.pixels;
  },
  'the same size in other bits': async (photo, bands) => {
    const result = gatherResult({ photo, width: 4 * WIDTH, height: 4 * HEIGHT, bitDepth: 16 });
    for await (const band of bands) result.add(band);
    return result.pixels;
  },
};

describe.each(KINDS)('in $bitDepth bits and $channels channels', (kind) => {
  test.each(Object.entries(STEPS))('%s', async (_name, step) => {
    const photo = photoOf(kind);
    const whole = await step(photo, cut(kind, HEIGHT));
    for (const rows of CUTS) expect(await step(photo, cut(kind, rows)), `${rows} rows`).toEqual(whole);
  });
});

test('rows that are gathered are told, and are there', async () => {
  const kind = { channels: 3, bitDepth: 8 } as const;
  const photo = photoOf(kind);
  const whole = await gather(cut(kind, 7), photo);
  const result = gatherResult({ photo, width: 4 * WIDTH, height: 4 * HEIGHT, bitDepth: 8 });
  for await (const band of cut(kind, 7)) {
    result.add(band);
    expect(result.rows()).toBe(4 * (band.start + band.count));
    const length = result.rows() * result.pixels.width * 3;
    expect(result.pixels.data.subarray(0, length)).toEqual(whole.data.subarray(0, length));
  }
});
