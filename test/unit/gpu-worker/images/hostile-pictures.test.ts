import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeBytes, noise, rawImage } from '../../../support/sample-images.ts';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>';

/** A progressive JPEG whose last scan, made one that changes nothing (T.81 G.1.2.2: Ah = Al = 0), comes again. */
async function repeatScan(times: number): Promise<Buffer> {
  const jpeg = await rawImage(new Uint8Array(64 * 64 * 3).fill(128), 64, 64, 3)
    .jpeg({ progressive: true })
    .toBuffer();
  const end = jpeg.length - 2;
  const scan = Buffer.from(jpeg.subarray(jpeg.lastIndexOf(Buffer.from([0xff, 0xda])), end));
  scan[1 + scan.readUInt16BE(2)] = 0;
  return Buffer.concat([jpeg.subarray(0, end), ...Array<Buffer>(times).fill(scan), jpeg.subarray(end)]);
}

describe('a JPEG of many scans', () => {
  it('is read while there are no more than a hundred', async () => {
    await expect(decodeBytes(await repeatScan(80))).resolves.toMatchObject({ format: 'jpeg' });
  });

  it('is refused before any of them is decoded', async () => {
    await expect(decodeBytes(await repeatScan(5000))).rejects.toMatchObject({
      code: 'image-unreadable',
      message: expect.stringMatching(/more than 100 scans/),
    });
  });

  it('is not one whose metadata holds other pictures', async () => {
    const jpeg = await rawImage(noise(8 * 8 * 3), 8, 8, 3)
      .jpeg()
      .toBuffer();
    const segment = Buffer.alloc(65_537, Buffer.from([0xff, 0xda, 0, 3, 0]));
    segment.writeUInt32BE(0xffea_ffff);
    const carrier = Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2), await repeatScan(5000)]);
    await expect(decodeBytes(carrier)).resolves.toMatchObject({ format: 'jpeg' });
  });
});

describe('formats that are not accepted', () => {
  it('have no loader at all', async () => {
    // decode.ts, which the support imports, has closed it.
    await expect(sharp(Buffer.from(SVG)).metadata()).rejects.toThrow(/unsupported image format/);
  });
});
