import { describe, expect, test } from 'vitest';
import type { Pixels } from '../../../../../gpu-worker/images/image.ts';
import { exactMode } from '../../../../../gpu-worker/methods/stablesr/exact-mode.ts';
import type { Repaint } from '../../../../../gpu-worker/methods/stablesr/mode.ts';
import { publishedMode } from '../../../../../gpu-worker/methods/stablesr/published-mode.ts';

/** Both ways from a photo to its picture, around networks that hand pictures on. */

const smooth = (width: number, height: number): Pixels => ({
  width,
  height,
  channels: 3,
  data: Uint8Array.from({ length: 3 * width * height }, (_, index) => {
    const [x, y] = [Math.floor(index / 3) % width, Math.floor(index / 3 / width)];
    return 128 + 60 * Math.sin(x / 9 + (index % 3)) + 50 * Math.cos(y / 11);
  }),
});

function handOn() {
  const seen: { sides: number[]; index: number; count: number }[] = [];
  const repaint: Repaint = async (picture, at) => {
    seen.push({ sides: picture.shape.slice(2), ...at });
    return picture;
  };
  return { seen, repaint };
}

/** At the pixels of the photo, in levels. */
function distance(picture: Pixels, photo: Pixels): number {
  let most = 0;
  for (let y = 0; y < photo.height; y++) {
    for (let x = 0; x < photo.width; x++) {
      // The means of the four in the middle of those that belong to it.
      const at = (dx: number, dy: number) => picture.data[3 * ((4 * y + dy) * picture.width + 4 * x + dx)]!;
      const middle = (at(1, 1) + at(2, 1) + at(1, 2) + at(2, 2)) / 4;
      most = Math.max(most, Math.abs(middle - photo.data[3 * (y * photo.width + x)]!));
    }
  }
  return most;
}

describe.each([
  { name: 'exact', mode: exactMode({ tileSize: 64 }), unit: 64 },
  { name: 'published', mode: publishedMode({ tileSize: 64 }), unit: 32 },
])('the $name mode', ({ mode, unit }) => {
  // Below a quarter of 512 pixels the script leaves more than four times the photo, of 98 it rounds down to 511.
  test.each([
    [1, 1],
    [30, 23],
    [98, 103],
    [128, 128],
    [131, 140],
  ])('makes %i × %i exactly four times as large, at the same place', async (width, height) => {
    const photo = smooth(width, height);
    const { seen, repaint } = handOn();
    const picture = await mode.restore(photo, 'none', repaint);
    expect([picture.width, picture.height]).toEqual([4 * width, 4 * height]);
    expect(distance(picture, photo)).toBeLessThan(12);
    expect(seen).toHaveLength(1);
    for (const side of seen[0]!.sides) expect([side % unit, side >= 512]).toEqual([0, true]);
  });
});

test('the published mode cuts a large picture into parts, column by column, and joins them without a trace', async () => {
  const photo = smooth(60, 50);
  const { seen, repaint } = handOn();
  const mode = publishedMode({ tileSize: 16, overlap: 8, part: { size: 160, stride: 96 } });
  const picture = await mode.restore(photo, 'none', repaint);
  // 240 × 200 grow to 256 × 224.
  expect(seen).toEqual([0, 1, 2, 3].map((index) => ({ sides: [160, 160], index, count: 4 })));
  expect([picture.width, picture.height]).toEqual([240, 200]);
  expect(distance(picture, photo)).toBeLessThan(12);
});
