import sharp from 'sharp';
import { expect, test } from 'vitest';
import { growCubic } from '../../gpu-worker/images/cubic-grow.ts';

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
