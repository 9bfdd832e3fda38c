import type { FileHandle } from 'node:fs/promises';
import { openTiff, TIFF_TYPE } from '../../../shared/tiff.ts';
import type { Metadata } from '../image.ts';
import type { Attachment } from './attachment.ts';
import { ENTRY_BYTES, exifFields, type Field, layOut } from './tiff-fields.ts';

const TAG = {
  xResolution: 0x011a,
  yResolution: 0x011b,
  resolutionUnit: 0x0128,
  xmp: 0x02bc,
  iptc: 0x83bb,
  icc: 0x8773,
};
/** Of `resolutionUnit`. */
const [NO_UNIT, INCH] = [1, 2];

const LITTLE_ENDIAN_TIFF = 0x002a4949;
const HEADER_BYTES = 8;

/**
 * TIFF 6.0, section 2: the directory of the only page is written anew behind all else; the data that it points to stays
 * where it is. `file`: as libvips writes it on all that it knows, little-endian.
 */
export async function attachToTiff(file: FileHandle, bytes: number, metadata: Metadata): Promise<Attachment> {
  const { icc, exif, xmp, iptc, density } = metadata;
  const tiff = exif && openTiff(exif);
  const fields: Field[] = [...(tiff ? exifFields(tiff) : []), ...resolution(density)];
  if (xmp) fields.push({ tag: TAG.xmp, type: TIFF_TYPE.byte, count: xmp.length, value: xmp });
  if (iptc) fields.push({ tag: TAG.iptc, type: TIFF_TYPE.undefined, count: iptc.length, value: iptc });
  if (icc) fields.push({ tag: TAG.icc, type: TIFF_TYPE.undefined, count: icc.length, value: icc });
  const header = await readAt(file, 0, HEADER_BYTES);
  if (header.readUInt32LE(0) !== LITTLE_ENDIAN_TIFF) throw new TypeError('the TIFF file is not as libvips writes it');
  const known = await readEntries(file, header.readUInt32LE(4));
  const at = bytes + (bytes % 2);
  header.writeUInt32LE(at, 4);
  return {
    removed: HEADER_BYTES,
    head: header,
    tail: Buffer.concat([Buffer.alloc(at - bytes), layOut(fields, at, known)]),
  };
}

/** Required (section 4); where nothing is known, pixels are square and nothing is said about their size. */
function resolution(density: number | undefined): Field[] {
  const value = Buffer.alloc(8);
  value.writeUInt32LE(density === undefined ? 1 : Math.round(density * 1000), 0);
  value.writeUInt32LE(density === undefined ? 1 : 1000, 4);
  const unit = Uint8Array.of(density === undefined ? NO_UNIT! : INCH!, 0);
  return [
    { tag: TAG.xResolution, type: TIFF_TYPE.rational, count: 1, value },
    { tag: TAG.yResolution, type: TIFF_TYPE.rational, count: 1, value },
    { tag: TAG.resolutionUnit, type: TIFF_TYPE.short, count: 1, value: unit },
  ];
}

/** The twelve bytes of each. */
async function readEntries(file: FileHandle, offset: number): Promise<Buffer[]> {
  const count = (await readAt(file, offset, 2)).readUInt16LE(0);
  const all = await readAt(file, offset + 2, count * ENTRY_BYTES);
  return Array.from({ length: count }, (_, index) => all.subarray(index * ENTRY_BYTES, (index + 1) * ENTRY_BYTES));
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead < length) throw new RangeError(`The file ends before byte ${position + length}.`);
  return buffer;
}
