import { z } from 'zod';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';

const tileSchema = z.tuple([z.int().positive(), z.int().positive()]);

/** A recorded picture, repeated until it has `size`: that of the case's `tile` by default, [width, height]. */
export async function tiledPicture(recorded: RecordedCase, input = 'picture', size?: unknown): Promise<Pixels> {
  const picture = await recorded.image(input);
  const [width, height] = tileSchema.parse(size ?? recorded.parameters.tile ?? [picture.width, picture.height]);
  const { channels } = picture;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = ((y % picture.height) * picture.width + (x % picture.width)) * channels;
      for (let channel = 0; channel < channels; channel++) {
        data[(y * width + x) * channels + channel] = picture.data[from + channel]!;
      }
    }
  }
  return { width, height, channels, data };
}
