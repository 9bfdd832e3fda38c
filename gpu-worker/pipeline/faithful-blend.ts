import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { MODEL_SCALE } from '../../shared/tile-plan.ts';
import { enlargeRows } from '../images/enlarge.ts';
import type { Pixels } from '../images/image.ts';

/** Rows of the photo that are blended in one go. */
const STRIP = 64;

/**
 * Moves the result, in place, towards the photo enlarged without anything invented: (1 − share) · result + share ·
 * enlarged. `result`: four times as large, 8 bits, same channels. `signal`: looked at between strips.
 */
export async function blendFaithful(photo: Pixels, result: Pixels, share: number, signal: AbortSignal): Promise<void> {
  const { data } = result;
  const photoRow = photo.width * photo.channels;
  for (let start = 0; start < photo.height; start += STRIP) {
    await eventLoopTurn();
    signal.throwIfAborted();
    const { enlarged } = enlargeRows(photo, start, Math.min(STRIP, photo.height - start));
    const target = start * photoRow * MODEL_SCALE ** 2;
    for (let index = 0; index < enlarged.length; index++) {
      const own = data[target + index]!;
      data[target + index] = Math.round(own + share * (enlarged[index]! - own));
    }
  }
}

/** A black picture of the size that the networks make. */
export function blankResult({ width, height, channels }: Pixels): Pixels {
  const size = { width: width * MODEL_SCALE, height: height * MODEL_SCALE, channels };
  return { ...size, data: new Uint8Array(size.width * size.height * channels) };
}
