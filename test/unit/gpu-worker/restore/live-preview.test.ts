import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { drawLatent } from '../../../../gpu-worker/diffusion/draw-latent.ts';
import { drawRows } from '../../../../gpu-worker/images/draw-rows.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { writeLivePreview } from '../../../../gpu-worker/images/live-preview.ts';

const flat = (width: number, height: number, level: number): Pixels => {
  return { width, height, channels: 1, data: new Uint8Array(width * height).fill(level) };
};

describe('the finished part of a picture', () => {
  it('is seen above the photo, in the size of the result where that is small', () => {
    const { width, height, data } = drawRows(flat(3, 2, 50), flat(12, 8, 200), 4);
    expect([width, height]).toEqual([12, 8]);
    expect([...data]).toEqual([...new Array(48).fill(200), ...new Array(48).fill(50)]);
  });

  it('is at most 512 pixels a side, and at least one', () => {
    const photo: Pixels = { width: 1, height: 1000, channels: 1, data: new Uint16Array(1000).fill(257 * 50) };
    const { width, height, data } = drawRows(photo, flat(4, 4000, 200), 2000);
    expect([width, height]).toEqual([1, 512]);
    expect([...data]).toEqual([...new Array(256).fill(200), ...new Array(256).fill(50)]);
  });
});

describe('a live preview', () => {
  it('shows transparent places on white', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'seesr-live-'));
    const alpha: Pixels = {
      ...flat(20, 10, 0),
      data: Uint8Array.from({ length: 200 }, (_, i) => (i % 20 < 10 ? 255 : 51)),
    };
    const [gray, path] = [flat(80, 40, 100), join(directory, 'live.jpg')];
    const color = { ...gray, channels: 3 as const, data: new Uint8Array(80 * 40 * 3).fill(100) };
    for (const picture of [gray, color]) {
      expect(await writeLivePreview(path, picture, alpha)).toEqual({ width: 80, height: 40 });
      const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
      const levelAt = (x: number) => data[(20 * 80 + x) * info.channels]!;
      expect(Math.abs(levelAt(20) - 100)).toBeLessThanOrEqual(2);
      // 255 − 0.2 · 155.
      expect(Math.abs(levelAt(60) - 224)).toBeLessThanOrEqual(2);
    }
    await rm(directory, { recursive: true });
  });
});

describe('a latent', () => {
  it('is gray where it is 0, and cut to the photo', () => {
    const latent = { data: new Float32Array(4 * 8 * 8), shape: [1, 4, 8, 8] };
    const { width, height, channels, data } = drawLatent(latent, { width: 5, height: 3 });
    expect([width, height, channels]).toEqual([5, 3, 3]);
    expect(new Set(data)).toEqual(new Set([128]));
  });

  it('has the colors of the published fit, clamped, and none that is no number', () => {
    // One latent a pixel: each channel alone, −1, beyond white, not a number.
    const columns = [
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
      [9, 9, 0, -9],
      [Number.NaN, 0, 0, 0],
    ];
    const data = Float32Array.from({ length: 4 * 6 }, (_, index) => columns[index % 6]![Math.floor(index / 6)]!);
    const picture = drawLatent({ data, shape: [1, 4, 1, 6] }, { width: 6, height: 1 });
    const level = (value: number) => Math.round((value / 2 + 0.5) * 255);
    expect([...picture.data]).toEqual([
      ...[0.298, 0.207, 0.208, 0.187, 0.286, 0.173, -0.158, 0.189, 0.264, -0.184, -0.271, -0.473].map(level),
      ...[255, 255, 255, 0, 0, 0],
    ]);
  });
});
