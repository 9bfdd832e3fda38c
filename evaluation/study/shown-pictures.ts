import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import type { PictureFiles } from './find-pictures.ts';
import type { Candidate } from './plan.ts';

/** Pictures whose files are kept in memory: those that participants look at and will look at next. */
const KEPT = 8;
const CHUNK_OVERHEAD = 12;
/** IEND, always the last. */
const END_BYTES = 12;
/** Ancillary, private, safe to copy: no reader takes notice. */
const PADDING_TYPE = 'paDd';

export interface ShownPictures {
  /** PNG. All candidates of one picture have the same number of bytes. `picture`: index. */
  read(picture: number, candidate: Candidate | 'photo'): Promise<Buffer<ArrayBuffer>>;
}

/**
 * The pictures as participants get them. Files of any kind become RGB of 8 bits in sRGB, by one encoder, without
 * metadata, and padded to one length, so that nothing but their pixels tells them apart.
 */
export function createShownPictures(pictures: readonly PictureFiles[]): ShownPictures {
  const kept = new Map<number, Promise<Map<Candidate | 'photo', Buffer<ArrayBuffer>>>>();
  return {
    async read(picture, candidate) {
      // All at once, so that the time does not tell which one was asked for before.
      const made = kept.get(picture) ?? encodeAll(pictures[picture]!);
      kept.delete(picture);
      kept.set(picture, made);
      for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest);
      made.catch(() => kept.delete(picture));
      return (await made).get(candidate)!;
    },
  };
}

async function encodeAll({ photoPath, truthPath, restoredPaths }: PictureFiles) {
  const candidates: [Candidate, string][] = [...restoredPaths.entries()];
  if (truthPath !== undefined) candidates.push(['truth', truthPath]);
  const encoded: [Candidate, Buffer][] = [];
  for (const [candidate, path] of candidates) encoded.push([candidate, await encode(path)]);
  const longest = Math.max(...encoded.map(([, { length }]) => length));
  const padded = encoded.map(([candidate, png]) => [candidate, pad(png, longest + CHUNK_OVERHEAD)] as const);
  return new Map<Candidate | 'photo', Buffer<ArrayBuffer>>([
    ...padded,
    ['photo', Buffer.from(await encode(photoPath))],
  ]);
}

/** By way of bare samples: sharp converts profiles to sRGB and drops metadata, but keeps the density of a file. */
async function encode(path: string): Promise<Buffer> {
  const picture = sharp(path).autoOrient().flatten({ background: '#ffffff' }).toColourspace('srgb');
  const { data, info } = await picture.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const bare = sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
  return bare.png({ compressionLevel: 3, adaptiveFiltering: true, palette: false }).toBuffer();
}

/** With a chunk of zeros before the end, so that the file has `length` bytes: at least twelve more than it has. */
function pad(png: Buffer, length: number): Buffer<ArrayBuffer> {
  const chunk = Buffer.alloc(length - png.length);
  const dataBytes = chunk.length - CHUNK_OVERHEAD;
  chunk.writeUInt32BE(dataBytes, 0);
  chunk.write(PADDING_TYPE, 4, 'latin1');
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + dataBytes)), 8 + dataBytes);
  const end = png.length - END_BYTES;
  return Buffer.concat([png.subarray(0, end), chunk, png.subarray(end)]);
}
