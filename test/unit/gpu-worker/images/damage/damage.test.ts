import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeBytes, fixture, noise, rawImage } from '../../../../support/sample-images.ts';
import { tiffFile } from '../../../../support/tiff-sample.ts';

/** Damage of which decoders say nothing, or by which they give up more than they must. */

const [WIDTH, HEIGHT] = [200, 150];
const samples = noise(WIDTH * HEIGHT * 3);
const picture = () => rawImage(samples, WIDTH, HEIGHT, 3);
/** Of a photo: noise has no blocks that are alike. */
const photo = () => sharp(fixture('photos/11_lowlight_sign.png')).resize(WIDTH, HEIGHT, { fit: 'fill' });

const unreadable = { code: 'image-unreadable', message: expect.stringMatching(/damaged or cut off/) };
const cut = (file: Buffer, bytes: number) => file.subarray(0, file.length - bytes);

/** Changes `bytes` bytes at a share of the coded pixels of a JPEG file. */
function rot(file: Buffer, share: number, bytes: number): Buffer {
  const rotten = Buffer.from(file);
  const start = file.indexOf(Buffer.from([0xff, 0xda])) + 14;
  const at = start + Math.floor(share * (file.length - start - bytes - 2));
  for (let k = at; k < at + bytes; k++) {
    const changed = rotten[k]! ^ 0x5a;
    if (rotten[k] !== 0xff && rotten[k - 1] !== 0xff && changed !== 0xff) rotten[k] = changed;
  }
  return rotten;
}

function fillMiddle(file: Buffer): Buffer {
  const middle = Math.floor(file.length / 2);
  return file.fill(0xff, middle, middle + 20);
}

describe('JPEG', () => {
  const baseline = () => photo().jpeg({ quality: 90 }).toBuffer();
  const progressive = () => photo().jpeg({ quality: 90, progressive: true }).toBuffer();

  it.each([
    ['baseline', { quality: 90 }],
    ['progressive', { progressive: true }],
    ['of the worst quality', { quality: 1 }],
    ['of the best quality', { quality: 100, chromaSubsampling: '4:4:4' }],
    ['with other tables', { optimiseCoding: false }],
  ])('%s and sound: no word', async (_name, options) => {
    for (const source of [photo(), picture()]) {
      expect((await decodeBytes(await source.jpeg(options).toBuffer())).notes).toEqual([]);
    }
    const gray = await photo().toColourspace('b-w').jpeg(options).toBuffer();
    expect((await decodeBytes(gray)).notes).toEqual([]);
    const cmyk = await photo().toColourspace('cmyk').jpeg(options).toBuffer();
    expect((await decodeBytes(cmyk)).notes.join()).not.toMatch(/damaged/);
  });

  it.each([0.05, 0.1, 0.4, 0.6, 0.95])('bit rot at %f of the pixels is told', async (share) => {
    for (const file of [await baseline(), await progressive()]) {
      const { notes } = await decodeBytes(rot(file, share, 12));
      expect(notes.join()).toMatch(/The file is damaged: its coded pixels were changed/);
    }
  });

  it('colors that drift, though every code is valid', async () => {
    // The first difference of Cb, made a large one: all blocks after it are bluer than anything can be.
    const gray = new Uint8Array(64 * 64 * 3).fill(20);
    const file = await rawImage(gray, 64, 64, 3).jpeg({ optimiseCoding: false, chromaSubsampling: '4:4:4' }).toBuffer();
    const start = file.indexOf(Buffer.from([0xff, 0xda])) + 14;
    const bits = [...file.subarray(start, start + 12)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const changes = Array.from({ length: 90 }, (_, k) => k).filter((k) => bits[k] !== undefined);
    let told = 0;
    for (const k of changes) {
      const changed = Buffer.from(file);
      changed[start + (k >> 3)]! ^= 0x80 >> (k & 7);
      if (changed.subarray(start).includes(0xff) !== file.subarray(start).includes(0xff)) continue;
      const outcome = await decodeBytes(changed).catch(() => undefined);
      if (!outcome || outcome.notes.length > 0) told++;
    }
    expect(told / changes.length).toBeGreaterThan(0.6);
  });

  it.each([1, 2, 3])('%d bytes missing at its end: a note, and the same picture', async (bytes) => {
    for (const file of [await baseline(), await progressive()]) {
      const whole = await decodeBytes(file);
      const { pixels, notes } = await decodeBytes(cut(file, bytes));
      expect(notes.join()).toMatch(/The file is damaged: its end is missing/);
      const differing = pixels.data.filter((value, k) => value !== whole.pixels.data[k]).length;
      expect(differing / pixels.data.length).toBeLessThan(bytes > 2 ? 0.01 : 1e-9);
    }
  });

  it('a few lines missing: a note that says how many', async () => {
    const file = await picture().jpeg().toBuffer();
    const { notes } = await decodeBytes(cut(file, Math.floor(file.length * 0.015)));
    expect(notes.join()).toMatch(/its end is missing; \d\.\d % of the picture are missing or wrong/);
  });

  it('more than that missing: refused with the share', async () => {
    const file = await picture().jpeg().toBuffer();
    for (const share of [0.1, 0.4, 0.8]) {
      await expect(decodeBytes(cut(file, Math.floor(file.length * share)))).rejects.toMatchObject({
        code: 'image-unreadable',
        message: expect.stringMatching(/\d+ % of the picture are missing or wrong; up to 5 % may be/),
      });
    }
    const half = await progressive();
    await expect(decodeBytes(half.subarray(0, half.length / 3))).rejects.toMatchObject(unreadable);
  });

  it('bytes after the picture are no damage', async () => {
    const file = await baseline();
    expect((await decodeBytes(Buffer.concat([file, noise(500)]))).notes).toEqual([]);
  });
});

describe('PNG', () => {
  it.each([
    ['its last chunk', 12],
    ['the sum of its last chunk', 2],
  ])('%s missing: a note, and the same picture', async (_name, bytes) => {
    const { pixels, notes } = await decodeBytes(cut(await picture().png().toBuffer(), bytes));
    expect(pixels.data).toEqual(samples);
    expect(notes).toEqual(['The file is damaged: its end is missing.']);
  });

  it('a few lines missing: a note, and all lines that are there', async () => {
    const file = await picture().png().toBuffer();
    const { pixels, notes } = await decodeBytes(cut(file, Math.floor(file.length * 0.03)));
    expect(notes.join()).toMatch(/its end is missing; \d\.\d % of the picture are missing or wrong/);
    const there = 0.94 * samples.length;
    expect(pixels.data.subarray(0, there)).toEqual(samples.subarray(0, there));
  });

  it('a wrong sum of pixels that are right: a note', async () => {
    const file = await picture().png().toBuffer();
    const at = file.indexOf('IDAT');
    file[at + 4 + file.readUInt32BE(at - 4)]! ^= 1;
    const { pixels, notes } = await decodeBytes(file);
    expect(pixels.data).toEqual(samples);
    expect(notes.join()).toMatch(/coded pixels were changed/);
  });

  it('changed pixels in the middle: refused, since all that comes after them is wrong', async () => {
    for (const source of [picture(), photo()]) {
      const file = fillMiddle(await source.png().toBuffer());
      await expect(decodeBytes(file)).rejects.toMatchObject(unreadable);
    }
  });

  it('changed pixels near the end: a note', async () => {
    const file = await rawImage(noise(600 * 400 * 3), 600, 400, 3)
      .png()
      .toBuffer();
    file[file.length - 500]! ^= 0x40;
    expect((await decodeBytes(file)).notes.join()).toMatch(/coded pixels were changed/);
  });

  it('a changed part beside the pixels: a note that names it', async () => {
    const file = await picture().withMetadata({ density: 300 }).png().toBuffer();
    file[file.indexOf('pHYs') + 5]! ^= 1;
    const { pixels, notes } = await decodeBytes(file);
    expect(pixels.data).toEqual(samples);
    expect(notes.join()).toMatch(/its data beside the pixels was changed \(pHYs\)/);
  });

  it('an interlaced one, cut: refused', async () => {
    const file = await picture().png({ progressive: true }).toBuffer();
    await expect(decodeBytes(cut(file, Math.floor(file.length * 0.3)))).rejects.toMatchObject(unreadable);
  });
});

describe('GIF', () => {
  const gif = () => picture().gif().toBuffer();

  it.each([1, 2])('%d bytes missing at its end: a note, and the same picture', async (bytes) => {
    const whole = await decodeBytes(await gif());
    expect(whole.notes).toEqual([]);
    const { pixels, alpha, notes } = await decodeBytes(cut(await gif(), bytes));
    expect(pixels).toEqual(whole.pixels);
    expect(alpha).toBeUndefined();
    expect(notes.join()).toMatch(/its end is missing\.$/);
  });

  it('a few lines missing: a note; more: refused', async () => {
    const file = await gif();
    const { notes } = await decodeBytes(cut(file, Math.floor(file.length * 0.03)));
    expect(notes.join()).toMatch(/of the picture are missing or wrong/);
    await expect(decodeBytes(cut(file, Math.floor(file.length * 0.2)))).rejects.toMatchObject(unreadable);
  });

  it('one that ends in order, but has lost codes', async () => {
    const file = await gif();
    const short = Buffer.concat([cut(file, Math.floor(file.length * 0.3)), Buffer.from([0, 0x3b])]);
    await expect(decodeBytes(short)).rejects.toMatchObject(unreadable);
  });
});

describe('WebP', () => {
  it('metadata behind the pixels that is cut off: a note, and the same picture', async () => {
    const file = await picture()
      .withExif({ IFD0: { Artist: 'Ada '.repeat(50) } })
      .webp({ lossless: true })
      .toBuffer();
    expect(file.lastIndexOf('EXIF')).toBeGreaterThan(file.length / 2);
    const { pixels, metadata, notes } = await decodeBytes(cut(file, 20));
    expect(pixels.data).toEqual(samples);
    expect(metadata.exif).toBeUndefined();
    expect(notes.join()).toMatch(/its end is missing/);
  });

  it('pixels that are cut off: refused', async () => {
    const file = await picture().webp().toBuffer();
    await expect(decodeBytes(cut(file, 100))).rejects.toMatchObject({ code: 'image-unreadable' });
  });
});

describe('TIFF', () => {
  const page = { width: WIDTH, height: HEIGHT, samples };
  const deflated = (rowsPerStrip: number) =>
    tiffFile([
      { width: WIDTH, height: HEIGHT, samples, compression: 8, rowsPerStrip, strip: (rows) => deflateSync(rows) },
    ]);
  const plain = tiffFile([{ ...page, rowsPerStrip: 10 }]);

  it.each([2, 500, 3000])('%d bytes missing at its end: a note', async (bytes) => {
    for (const file of [plain, deflated(10), deflated(HEIGHT)]) {
      const { pixels, notes } = await decodeBytes(cut(file, bytes));
      expect(notes.join()).toMatch(/its end is missing; \d\.\d % of the picture are missing or wrong/);
      const there = 0.9 * samples.length;
      expect(pixels.data.subarray(0, there)).toEqual(samples.subarray(0, there));
    }
  });

  it('more than that missing: refused', async () => {
    for (const file of [plain, deflated(10)]) {
      await expect(decodeBytes(cut(file, Math.floor(file.length * 0.2)))).rejects.toMatchObject(unreadable);
    }
  });

  it('a strip that makes no sense: a note if it is a small one, a refusal if it is all', async () => {
    const rows = await photo().removeAlpha().raw().toBuffer();
    const rotten = (rowsPerStrip: number) => {
      const file = tiffFile([
        { ...page, samples: rows, rowsPerStrip, compression: 8, strip: (strip) => deflateSync(strip) },
      ]);
      return fillMiddle(file);
    };
    expect((await decodeBytes(rotten(3))).notes.join()).toMatch(/coded pixels were changed/);
    await expect(decodeBytes(rotten(HEIGHT))).rejects.toMatchObject(unreadable);
  });
});

describe('AVIF', () => {
  it('cut anywhere: refused', async () => {
    const file = await picture().avif({ effort: 0 }).toBuffer();
    for (const bytes of [2, 100, Math.floor(file.length / 2)]) {
      await expect(decodeBytes(cut(file, bytes))).rejects.toMatchObject({ code: 'image-unreadable' });
    }
  });
});
