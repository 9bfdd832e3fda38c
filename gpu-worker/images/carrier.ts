import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import type { Metadata } from './image.ts';

const SIGNATURE_AND_IHDR_BYTES = 33;
const METERS_PER_INCH = 0.0254;

/**
 * A black PNG of one pixel that carries the metadata. sharp attaches neither a profile without converting colours to
 * it nor an EXIF block to raw pixels, but it passes on what it has read from a file.
 * `channels`: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
 */
export async function createCarrier(channels: 1 | 2 | 3 | 4, { icc, exif, xmp, density }: Metadata): Promise<Buffer> {
  const black = await sharp(new Uint8Array(channels), { raw: { width: 1, height: 1, channels } })
    .toColourspace(channels < 3 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
  const chunks: Buffer[] = [];
  if (icc) chunks.push(chunk('iCCP', Buffer.from('ICC profile\0\0', 'latin1'), deflateSync(icc)));
  if (density) chunks.push(chunk('pHYs', resolution(density)));
  if (exif) chunks.push(chunk('eXIf', exif));
  if (xmp) chunks.push(chunk('iTXt', Buffer.from('XML:com.adobe.xmp\0\0\0\0\0', 'latin1'), xmp));
  return Buffer.concat([
    black.subarray(0, SIGNATURE_AND_IHDR_BYTES),
    ...chunks,
    black.subarray(SIGNATURE_AND_IHDR_BYTES),
  ]);
}

/** PNG third edition, 5.3: length, type, data, CRC of type and data. */
function chunk(type: string, ...data: Uint8Array[]): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), ...data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(body.length - 4, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

function resolution(density: number): Buffer {
  const data = Buffer.alloc(9, 1); // the last byte is the unit: meters
  const pixelsPerMeter = Math.round(density / METERS_PER_INCH);
  data.writeUInt32BE(pixelsPerMeter, 0);
  data.writeUInt32BE(pixelsPerMeter, 4);
  return data;
}
