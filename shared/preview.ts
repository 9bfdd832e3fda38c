import { z } from 'zod';
import { AppError } from './error.ts';
import type { Size } from './methods/method.ts';

/** A free look at the result of a job for a part of the photo. */

/** Pixels of the photo. */
const MAX_PREVIEW_SIDE = 128;

const side = z.int().min(1).max(MAX_PREVIEW_SIDE);
export const previewSchema = z
  .strictObject({ x: z.int().min(0), y: z.int().min(0), width: side, height: side })
  .describe(
    `Only this part of the photo (upright, in its pixels, at most ${MAX_PREVIEW_SIDE} × ${MAX_PREVIEW_SIDE}), in full quality and free; so many a day and account. The model does not see the rest.`,
  );
export type Preview = z.infer<typeof previewSchema>;

/** The size of the worked part of the photo. Throws `invalid` for a preview outside the photo. */
export function workedSize({ width, height }: Size, preview: Preview | undefined): Size {
  if (!preview) return { width, height };
  if (preview.x + preview.width <= width && preview.y + preview.height <= height) return preview;
  throw new AppError(
    'invalid',
    `The preview of ${preview.width}×${preview.height} at ${preview.x}, ${preview.y} is not inside the photo of ${width}×${height}.`,
    { errors: [{ pointer: '#/preview', message: 'is not inside the photo', expected: `within ${width}×${height}` }] },
  );
}
