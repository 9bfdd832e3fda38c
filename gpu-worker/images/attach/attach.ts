import { type FileHandle, open } from 'node:fs/promises';
import type { OutputFormat } from '../../../shared/output-format.ts';
import type { Metadata } from '../image.ts';
import type { Attachment } from './attachment.ts';
import { attachToAvif } from './avif.ts';
import { attachToJpeg } from './jpeg.ts';
import { attachToPng } from './png.ts';
import { attachToTiff } from './tiff.ts';
import { attachToWebp } from './webp.ts';

type Attacher = (beginning: Buffer, bytes: number, metadata: Metadata) => Attachment;

/** `beginning`: of a file of `bytes` bytes. */
const ATTACHERS: Record<Exclude<OutputFormat, 'tiff'>, Attacher> = {
  png: attachToPng,
  jpeg: attachToJpeg,
  webp: attachToWebp,
  avif: attachToAvif,
};

/** Encoders put all that is not pixels into their first kilobyte. */
const BEGINNING_BYTES = 64 * 1024;
const COPY_BYTES = 4 * 1024 * 1024;

/**
 * Writes metadata into a file that was encoded without: byte for byte as it is given, and nothing besides. libvips
 * would add fields that it believes to be missing (a density, an EXIF block with `ColorSpace`) and write EXIF anew.
 */
export async function attachMetadata(path: string, format: OutputFormat, metadata: Metadata): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const { size } = await file.stat();
    const { removed, head, tail } = await attachmentOf(file, size, format, metadata);
    await move(file, removed, size, head.length);
    await file.write(head, 0, head.length, 0);
    if (tail) await file.write(tail, 0, tail.length, size - removed + head.length);
    await file.truncate(size - removed + head.length + (tail?.length ?? 0));
  } finally {
    await file.close();
  }
}

async function attachmentOf(
  file: FileHandle,
  size: number,
  format: OutputFormat,
  metadata: Metadata,
): Promise<Attachment> {
  // The directory of a TIFF file is at its end.
  if (format === 'tiff') return attachToTiff(file, size, metadata);
  const beginning = Buffer.alloc(Math.min(size, BEGINNING_BYTES));
  await file.read(beginning, 0, beginning.length, 0);
  return ATTACHERS[format](beginning, size, metadata);
}

/** The bytes from `start` to `end`, within the file, from its end on where they go up. */
async function move(file: FileHandle, start: number, end: number, to: number): Promise<void> {
  if (start === to) return;
  const piece = Buffer.alloc(Math.min(COPY_BYTES, end - start));
  for (let done = 0; done < end - start; done += piece.length) {
    const length = Math.min(piece.length, end - start - done);
    const from = to > start ? end - done - length : start + done;
    await file.read(piece, 0, length, from);
    await file.write(piece, 0, length, from + to - start);
  }
}
