import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { loadSuperResolver } from '../../gpu-worker/methods/real-esrgan/engine.ts';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import { upscaleImage } from '../support/bands.ts';
import { fixture } from '../support/sample-images.ts';

const WHOLE = 10_000;

async function photo(name: string, width: number, height: number): Promise<Pixels> {
  const area = { left: 100, top: 100, width, height };
  const data = await sharp(fixture(name)).removeAlpha().extract(area).raw().toBuffer();
  return { width, height, channels: 3, data: new Uint8Array(data) };
}

/** From dark to light over both axes: where every seam would show. */
function gradient(width: number, height: number): Pixels {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return 40 + (120 * (pixel % width)) / width + (60 * Math.floor(pixel / width)) / height;
  });
  return { width, height, channels: 3, data };
}

/** Differences of the 8-bit values of all tile sizes against the picture in one piece. */
async function differences(model: RealEsrganId, pixels: Pixels, tileSizes: readonly number[]): Promise<Uint8Array[]> {
  const resolver = await loadSuperResolver({ model, device: 'cpu' });
  const upscale = (tileSize: number) =>
    upscaleImage(pixels, resolver, { tileSize, onTile: () => {}, signal: new AbortController().signal });
  const whole = await upscale(WHOLE);
  const results: Uint8Array[] = [];
  for (const tileSize of tileSizes) {
    const { data } = await upscale(tileSize);
    results.push(Uint8Array.from(data, (value, index) => Math.abs(value - whole.data[index]!)));
  }
  await resolver.release();
  return results;
}

const largest = (values: Uint8Array) => values.reduce((most, value) => Math.max(most, value), 0);
const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

test.each(['photos/04_face_grace_hopper.png', 'photos/10_text_mies.png', 'photos/13_phone_shoes.jpg'])(
  'real-esrgan-fast in tiles is within 2/255 of the whole: %s',
  async (name) => {
    for (const difference of await differences('real-esrgan-fast', await photo(name, 264, 250), [128, 192, 256])) {
      expect(largest(difference)).toBeGreaterThan(0); // else nothing was tiled
      expect(largest(difference)).toBeLessThanOrEqual(2);
    }
  },
);

test('real-esrgan in tiles: no seam in a gradient, and close to the whole on a photo', async () => {
  const [smooth] = await differences('real-esrgan', gradient(130, 100), [96]);
  expect(largest(smooth!)).toBeLessThanOrEqual(2);
  // This network's inventions can tip on something far away, so single values differ by more (shared/methods/real-esrgan.ts).
  const [difference] = await differences('real-esrgan', await photo('photos/13_phone_shoes.jpg', 150, 132), [128]);
  expect(mean(difference!)).toBeLessThan(1);
  expect(difference!.filter((value) => value > 2).length / difference!.length).toBeLessThan(0.05);
});
