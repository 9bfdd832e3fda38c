import sharp from 'sharp';
import { expect, test } from 'vitest';
import { growCubic } from '../../../../gpu-worker/images/cubic-grow.ts';

test.each([
  [1, 1, 3],
  [2, 1, 1],
  [3, 7, 1],
  [1, 9, 3],
  [37, 23, 3],
] as const)('%i × %i in %i channels grow to the bytes that libvips gives', async (width, height, channels) => {
  // Any values, among them neighbors so far apart that the filter overshoots at both ends.
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) =>
    i % 7 < 2 ? 255 : (i * 2_654_435) % 256,
  );
  const expected = await sharp(data, { raw: { width, height, channels } })
    .resize(width * 4, height * 4, { kernel: 'cubic', fit: 'fill' })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer();
  expect(Buffer.from(growCubic(data, { width, height, channels })).equals(expected)).toBe(true);
});

test.each([
  [1, 1, 3],
  [3, 7, 1],
  [37, 23, 3],
] as const)(
  '%i × %i in %i channels of 16 bits grow as those of 8, in steps that are finer',
  async (width, height, channels) => {
    const data = Uint8Array.from({ length: width * height * channels }, (_, i) =>
      i % 7 < 2 ? 255 : (i * 2_654_435) % 256,
    );
    const size = { width, height, channels };
    const deep = growCubic(
      Uint16Array.from(data, (value) => value * 257),
      size,
    );
    const coarse = growCubic(data, size);
    expect(deep.length).toBe(coarse.length);
    // Each of the two roundings in 8 bits is half a level.
    for (const [index, value] of deep.entries()) expect(Math.abs(value / 257 - coarse[index]!)).toBeLessThan(1.2);
    if (width > 1) expect(deep.some((value) => value % 257 !== 0)).toBe(true);
    expect(
      deep.filter((_, index) => coarse[index] === 255 && index % 4 === 2).every((value) => value >= 254 * 257),
    ).toBe(true);
  },
);
