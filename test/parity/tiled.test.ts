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

/** The largest difference of an 8-bit value from the picture in one piece, by size of tile. */
async function differences(model: RealEsrganId, pixels: Pixels, tileSizes: readonly number[]) {
  const resolver = await loadSuperResolver({ model, device: 'cpu' });
  const upscale = async (tileSize: number) => {
    let tiles = 0;
    const onTile = (_: number, total: number) => {
      tiles = total / resolver.stages.length;
    };
    const signal = new AbortController().signal;
    const { data } = await upscaleImage(pixels, resolver, { tileSize, onTile, signal });
    return { data, tiles };
  };
  const whole = await upscale(WHOLE);
  expect(whole.tiles).toBe(1);
  const found: Record<number, number> = {};
  for (const tileSize of tileSizes) {
    const { data, tiles } = await upscale(tileSize);
    expect(tiles).toBeGreaterThan(1);
    let largest = 0;
    for (const [index, value] of data.entries()) largest = Math.max(largest, Math.abs(value - whole.data[index]!));
    found[tileSize] = largest;
  }
  await resolver.release();
  return found;
}

test.each(['photos/04_face_grace_hopper.png', 'photos/10_text_mies.png', 'photos/13_phone_shoes.jpg'])(
  'real-esrgan-fast in tiles is within 1/255 of the whole: %s',
  async (name) => {
    // Two graphs, of which small tiles take the other one, round differently.
    const found = await differences('real-esrgan-fast', await photo(name, 264, 250), [96, 128, 192]);
    for (const [tileSize, difference] of Object.entries(found)) expect(difference, tileSize).toBeLessThanOrEqual(1);
  },
);

test('real-esrgan in tiles is the whole, to the bit', async () => {
  // Of text: there its inventions tip on what is far away.
  expect(await differences('real-esrgan', await photo('photos/10_text_mies.png', 150, 61), [96, 128])).toEqual({
    96: 0,
    128: 0,
  });
});
