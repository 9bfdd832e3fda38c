import { fillHidden } from './fill-hidden.ts';
import { isGray, toGray } from './gray.ts';
import type { DecodedImage } from './image.ts';

/**
 * The photo as it is seen, for the networks and for all measurements: colors below alpha are made up from those beside
 * them, and a photo of grays alone has one channel, however it was stored.
 */
export function seenPhoto(photo: DecodedImage): DecodedImage {
  const pixels = photo.alpha ? fillHidden(photo.pixels, photo.alpha) : photo.pixels;
  return { ...photo, pixels: pixels.channels === 3 && isGray(pixels) ? toGray(pixels) : pixels };
}
