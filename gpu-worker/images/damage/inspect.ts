import { AppError } from '../../../shared/error.ts';
import type { InputFormat } from '../../../shared/image-format.ts';
import type { Damage } from './damage.ts';
import { inspectGif } from './gif.ts';
import { inspectJpeg } from './jpeg.ts';
import { inspectPng } from './png.ts';
import { inspectTiff } from './tiff.ts';
import { inspectWebp } from './webp.ts';

/** A picture with a larger loss is not the photo any more; a note tells of any other loss. */
export const MAX_LOST_SHARE = 0.05;

/** AVIF and HEIC have nothing to look at: their decoders refuse a file with a missing part. */
const INSPECTORS: Partial<Record<InputFormat, (file: Uint8Array) => Damage | Promise<Damage>>> = {
  jpeg: inspectJpeg,
  png: inspectPng,
  gif: inspectGif,
  webp: inspectWebp,
  tiff: inspectTiff,
};

/**
 * The file as it is to be decoded, and whether it is damaged; adds a note then. Throws `image-unreadable` if too much of
 * the picture is missing.
 */
export async function inspectFile(
  file: Uint8Array,
  format: InputFormat,
  notes: string[],
): Promise<{ bytes: Uint8Array; isDamaged: boolean }> {
  const { bytes, lost, words } = (await INSPECTORS[format]?.(file)) ?? { bytes: file, lost: 0 };
  if (words === undefined) return { bytes, isDamaged: false };
  const share = `${(100 * lost).toFixed(lost < 0.1 ? 1 : 0)} %`;
  if (lost > MAX_LOST_SHARE) {
    throw new AppError(
      'image-unreadable',
      `The ${format} data is damaged or cut off: ${share} of the picture are missing or wrong; up to ${100 * MAX_LOST_SHARE} % may be.`,
    );
  }
  notes.push(`The file is damaged: ${words}${lost > 0 ? `; ${share} of the picture are missing or wrong` : ''}.`);
  return { bytes, isDamaged: true };
}
