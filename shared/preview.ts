import { z } from 'zod';
import { AppError } from './error.ts';
import { checkInputPixels, checkSizes, type OutputFormat } from './image-format.ts';
import type { Limits } from './limits.ts';

/** A free look at what a job would make of a part of the photo. */

/** Pixels of the photo. */
const MAX_PREVIEW_SIDE = 128;

const side = z.int().min(1).max(MAX_PREVIEW_SIDE);
export const previewSchema = z
  .strictObject({ x: z.int().min(0), y: z.int().min(0), width: side, height: side })
  .describe(
    `Only this part of the photo (upright, in its pixels, at most ${MAX_PREVIEW_SIDE} × ${MAX_PREVIEW_SIDE}), in full quality and free; so many a day and key. What lies beside it is not seen by the model.`,
  );
export type Preview = z.infer<typeof previewSchema>;

interface Size {
  width: number;
  height: number;
}

/** Checks that come before any work. Throws what `checkSizes` throws, and `invalid` for a preview outside the photo. */
export function checkJobSizes(
  photo: Size,
  { scale, format, preview }: { scale: number; format: OutputFormat; preview?: Preview | undefined },
  limits: Limits,
): void {
  checkInputPixels(photo, limits);
  checkSizes(workedSize(photo, preview), scale, format, limits);
}

/** What of the photo is worked on. Throws `invalid` for a preview outside the photo. */
export function workedSize({ width, height }: Size, preview: Preview | undefined): Size {
  if (!preview) return { width, height };
  if (preview.x + preview.width <= width && preview.y + preview.height <= height) return preview;
  throw new AppError(
    'invalid',
    `The preview of ${preview.width}×${preview.height} at ${preview.x}, ${preview.y} is not inside the photo of ${width}×${height}.`,
    { errors: [{ pointer: '#/preview', message: 'is not inside the photo', expected: `within ${width}×${height}` }] },
  );
}
