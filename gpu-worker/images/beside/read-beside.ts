import type { ImageHeader, InputFormat } from '../../../shared/image-format.ts';
import type { Beside } from './beside.ts';
import { besideGif } from './gif.ts';
import { besideHeif } from './heif.ts';
import { besideJpeg } from './jpeg.ts';
import { besidePng } from './png.ts';
import { besideTiff } from './tiff.ts';

const READERS: Partial<Record<InputFormat, (file: Buffer) => Beside>> = {
  jpeg: besideJpeg,
  png: besidePng,
  gif: besideGif,
  tiff: besideTiff,
  avif: besideHeif,
  heic: besideHeif,
};

/** Nothing of it fails a job: a part that cannot be read is as if it were not there. */
export function readBeside(file: Buffer, { format }: ImageHeader): Beside {
  try {
    return READERS[format]?.(file) ?? { lost: [] };
  } catch (error) {
    if (error instanceof RangeError) return { lost: [] };
    throw error;
  }
}
