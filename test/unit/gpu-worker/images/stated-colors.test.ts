import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodeImage } from '../../../../gpu-worker/images/encode.ts';
import { statedProfile } from '../../../../gpu-worker/images/stated-profile.ts';
import { encodingOf, SRGB } from '../../../../shared/color-encoding.ts';
import { decodeBytes, displayP3Profile, fixture, rawImage, withPngChunk } from '../../../support/sample-images.ts';

/** Colors that a file states by numbers: the result says the same by a profile, so that it looks the same everywhere. */

const FIELD: [number, number, number] = [200, 100, 50];
const flat = (color: number[]) => Uint8Array.from({ length: 64 * color.length }, (_, k) => color[k % color.length]!);

async function png(color: number[], ...chunks: [string, Uint8Array][]): Promise<Buffer> {
  const channels = color.length as 1 | 3;
  let file: Buffer = await rawImage(flat(color), 8, 8, channels).png().toBuffer();
  for (const [name, data] of chunks) file = withPngChunk(file, name, data);
  return file;
}

const uint32 = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [k, value] of values.entries()) bytes.writeUInt32BE(value, 4 * k);
  return bytes;
};
const gamma = (value: number): [string, Uint8Array] => ['gAMA', uint32(Math.round(value * 100_000))];
const primaries = (...points: number[]): [string, Uint8Array] => [
  'cHRM',
  uint32(...points.map((value) => Math.round(value * 100_000))),
];
const SRGB_POINTS = [0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06];
const ADOBE_POINTS = [0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06];
const P3_POINTS = [0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06];

/** The first pixel in a viewer that heeds profiles, in sRGB. */
async function shown(color: number[], icc: Uint8Array | undefined): Promise<number[]> {
  const chunks: [string, Uint8Array][] = icc
    ? [['iCCP', Buffer.concat([Buffer.from('p\0\0', 'latin1'), deflateSync(icc)])]]
    : [];
  const pixels = await sharp(await png(color, ...chunks))
    .toColourspace('srgb')
    .raw()
    .toBuffer();
  return [...pixels.subarray(0, 3)];
}

const toSrgb = (light: number) => 255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);

function expectNear(actual: number[], expected: number[], tolerance = 1.5): void {
  for (const [c, value] of expected.entries()) expect(Math.abs(actual[c]! - value)).toBeLessThanOrEqual(tolerance);
}

describe('PNG', () => {
  it.each([1, 1 / 1.8, 1 / 2.6])('gamma %f: shown as bright as stated', async (value) => {
    const { pixels, metadata } = await decodeBytes(await png(FIELD, gamma(value)));
    expect([...pixels.data.subarray(0, 3)]).toEqual(FIELD);
    expectNear(
      await shown(FIELD, metadata.icc),
      FIELD.map((sample) => toSrgb((sample / 255) ** (1 / value))),
    );
  });

  it.each([1, 1 / 1.8])('gamma %f of gray', async (value) => {
    const { pixels, metadata } = await decodeBytes(await png([120], gamma(value)));
    expect(pixels.channels).toBe(1);
    const seen = toSrgb((120 / 255) ** (1 / value));
    expectNear(await shown([120], metadata.icc), [seen]);
  });

  it('gamma of gray, in a result that stores gray as color', async () => {
    const photo = await decodeBytes(await png([120], gamma(1)));
    const folder = await mkdtemp(join(tmpdir(), 'gray-'));
    for (const format of ['webp', 'avif', 'jpeg'] as const) {
      const path = join(folder, format);
      const options = { format, quality: 100, metadata: 'strip', width: 8, height: 8 } as const;
      const { notes } = await encodeImage(path, photo.pixels, undefined, photo.metadata, options);
      expect(notes).toEqual([]);
      const seen = await sharp(await readFile(path))
        .toColourspace('srgb')
        .raw()
        .toBuffer();
      expectNear([seen[0]!], [toSrgb(120 / 255)], 3);
    }
    await rm(folder, { recursive: true });
  });

  it('Adobe RGB by its numbers is the profile of Adobe RGB', async () => {
    const { metadata } = await decodeBytes(await png(FIELD, gamma(256 / 563), primaries(...ADOBE_POINTS)));
    // By the matrix of Adobe RGB (1998), 4.3.5.3, and that of sRGB.
    expectNear(await shown(FIELD, metadata.icc), [229, 100, 41], 2);
  });

  it('primaries without a gamma have the curve of sRGB', async () => {
    const { metadata } = await decodeBytes(await png(FIELD, primaries(...P3_POINTS)));
    expectNear(await shown(FIELD, metadata.icc), await shown(FIELD, await displayP3Profile()));
  });

  it.each<[string, [string, Uint8Array][]]>([
    ['nothing', []],
    ['the gamma of sRGB', [gamma(0.45455)]],
    ['gamma and primaries of sRGB', [gamma(0.45455), primaries(...SRGB_POINTS)]],
    ['sRGB, which comes before a gamma', [gamma(1), ['sRGB', Uint8Array.of(0)]]],
    ['sRGB by code points', [gamma(1), ['cICP', Uint8Array.of(1, 13, 0, 1)]]],
    ['a gamma of 0', [gamma(0)]],
  ])('%s: nothing is attached', async (_name, chunks) => {
    const { metadata, notes } = await decodeBytes(await png(FIELD, ...chunks));
    expect(metadata.icc).toBeUndefined();
    expect(notes).toEqual([]);
  });

  it('code points come before a profile, a profile before a gamma', async () => {
    const p3 = await displayP3Profile();
    const profile: [string, Uint8Array] = ['iCCP', Buffer.concat([Buffer.from('p\0\0', 'latin1'), deflateSync(p3)])];
    const wide = await decodeBytes(await png(FIELD, profile, ['cICP', Uint8Array.of(9, 1, 0, 1)]));
    expect(wide.metadata.icc).toEqual(statedProfile(encodingOf(9, 1), 3));
    const kept = await decodeBytes(await png(FIELD, profile, gamma(1)));
    expect(kept.metadata.icc).toEqual(p3);
  });

  it('numbers that make no colors are left out with a note', async () => {
    for (const chunk of [
      gamma(0.00001),
      primaries(0.3127, 0, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
      primaries(...Array(8).fill(0.3)),
    ]) {
      const { metadata, notes } = await decodeBytes(await png(FIELD, chunk));
      expect(metadata.icc).toBeUndefined();
      expect(notes.join()).toMatch(/what the colors mean are not to be believed/);
    }
  });

  it.each([
    [16, 'PQ'],
    [18, 'HLG'],
  ])('transfer %d is HDR', async (transfer, name) => {
    const hdr = await png(FIELD, ['cICP', Uint8Array.of(9, transfer, 0, 1)]);
    await expect(decodeBytes(hdr)).rejects.toMatchObject({
      code: 'hdr-unsupported',
      message: expect.stringContaining(name),
    });
  });
});

describe('AVIF', () => {
  async function stated(colorPrimaries: number, transfer: number) {
    const file = await readFile(fixture('formats/animated.avif'));
    const at = file.indexOf('nclx') + 4;
    file.writeUInt16BE(colorPrimaries, at);
    file.writeUInt16BE(transfer, at + 2);
    return (await decodeBytes(file)).metadata.icc;
  }

  it('P3, BT.2020 and others become profiles; colors shown as sRGB do not', async () => {
    expectNear(await shown(FIELD, await stated(12, 13)), await shown(FIELD, await displayP3Profile()));
    expect(await stated(9, 1)).toEqual(statedProfile(encodingOf(9, 1), 3));
    expect(await stated(1, 8)).toEqual(statedProfile({ ...SRGB, transfer: 1 }, 3));
    for (const [colorPrimaries, transfer] of [
      [1, 13],
      [1, 1],
      [2, 2],
      [1, 6],
    ] as const) {
      expect(await stated(colorPrimaries, transfer)).toBeUndefined();
    }
  });

  it('an animation gives its still picture, with a note', async () => {
    const { pixels, notes } = await decodeBytes(await readFile(fixture('formats/animated.avif')));
    expect([pixels.width, pixels.height]).toEqual([64, 48]);
    expectNear([...pixels.data.subarray(0, 3)], [200, 40, 40], 4);
    expect(notes.join()).toMatch(/animated; its still picture/);
  });
});
