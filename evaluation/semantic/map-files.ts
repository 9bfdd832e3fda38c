import { open } from 'node:fs/promises';
import { decodeImage } from '../../gpu-worker/images/decode.ts';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import { AppError } from '../../shared/error.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import type { Scene } from './coco-files.ts';
import { type LabelMap, VOID_LABEL } from './mean-overlap.ts';

/** Where PNG keeps bits a sample and kind of color. */
const HEADER = { depth: 24, color: 25, bytes: 26 } as const;
const GREY = 0;

/** A PNG file of COCO's panoptic format: the id is red + 256·green + 65536·blue. Throws AppError. */
export async function readSegmentIds(path: string, scene: Scene): Promise<Uint32Array> {
  const { channels, data } = await readSized(path, scene);
  if (channels !== 3 || data instanceof Uint16Array)
    throw new AppError('invalid', `${path} is no map of segments: it is not RGB in 8 bits.`);
  return Uint32Array.from({ length: data.length / 3 }, (_, pixel) => {
    return data[3 * pixel]! + 256 * data[3 * pixel + 1]! + 65_536 * data[3 * pixel + 2]!;
  });
}

/** A grey PNG file of 8 or 16 bits whose levels are categories; `ignored`: the one that means void. Throws AppError. */
export async function readLabels(path: string, scene: Scene, ignored: number): Promise<LabelMap> {
  await checkGrey(path);
  const { data } = await readSized(path, scene);
  return Int32Array.from(data, (level) => (level === ignored ? VOID_LABEL : level));
}

/** The pixels of a picture of the scene's size. Throws AppError `invalid` for another size. */
export async function readSized(path: string, { name, width, height }: Scene): Promise<Pixels> {
  const { pixels } = await decodeImage(path, DEFAULT_LIMITS).catch((cause: unknown) => {
    throw cause instanceof AppError
      ? cause
      : new AppError('not-found', `There is no file ${path} that can be read.`, { cause });
  });
  if (pixels.width === width && pixels.height === height) return pixels;
  throw new AppError(
    'invalid',
    `${path} has ${pixels.width}×${pixels.height} pixels; the ground truth of ${name} was annotated at ${width}×${height}.`,
  );
}

/** Palettes would be turned into colors, and fewer bits be spread over 0..255. */
async function checkGrey(path: string): Promise<void> {
  const file = await open(path).catch((cause: unknown) => {
    throw new AppError('not-found', `There is no file ${path} that can be read.`, { cause });
  });
  try {
    const { buffer } = await file.read({ buffer: Buffer.alloc(HEADER.bytes), position: 0 });
    const [isPng, depth] = [buffer.toString('latin1', 1, 4) === 'PNG', buffer[HEADER.depth]!];
    if (isPng && buffer[HEADER.color] === GREY && depth >= 8) return;
  } finally {
    await file.close();
  }
  throw new AppError(
    'invalid',
    `${path} is no map of categories: it must be a grey PNG of 8 or 16 bits, without palette.`,
  );
}
