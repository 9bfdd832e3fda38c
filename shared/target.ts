import { z } from 'zod';

/** How large the result shall be, where it is not said as a multiple of the photo. */

const MOST = 1_000_000;
const side = z.int().min(1).max(MOST).optional();

export const targetSchema = z
  .strictObject({
    width: side.describe('Pixels. With `height`: the result fits inside both.'),
    height: side.describe('Pixels.'),
    megapixels: z
      .number()
      .positive()
      .max(MOST)
      .optional()
      .describe('Millions of pixels, as near as whole pixels come to it. Alone.'),
  })
  .refine(
    ({ width, height, megapixels }) => (megapixels === undefined) !== (width === undefined && height === undefined),
    {
      message: 'width, height or both, or megapixels alone',
    },
  )
  .describe(
    'Instead of `scale`: a size. The shape of the photo stays, nothing is cut off or squeezed; with `width` and `height` the result is the largest that fits inside. It must have 1 to 4 times the sides of the photo; with a model that was added, up to its `scale`.',
  );
export type Target = z.infer<typeof targetSchema>;
