import { upright } from './upright.ts';

/** Facts that the browser finds out about a photo, and pictures that it makes of it. */

export interface Size {
  width: number;
  height: number;
}

/** At once; more are better sent by a program. */
export const MOST_PHOTOS = 20;

/** Longest side of a small picture for lists. */
const THUMBNAIL_PIXELS = 320;

/**
 * The bytes without the type that the system has guessed: a file that it calls a text, or an SVG, may be a JPEG, and
 * browsers look at the bytes only where no type is stated.
 */
export function untyped(photo: Blob): Blob {
  return photo.slice(0, photo.size, '');
}

/** Upright. Null where this browser cannot show the file. */
export async function sizeOf(photo: Blob): Promise<Size | null> {
  return withImage(photo, ({ naturalWidth: width, naturalHeight: height }) => ({ width, height })).catch(() => null);
}

/** A part of the photo as a picture of its own. Of the photo as it is shown: always upright. */
export function cutOut(photo: Blob, { x, y, width, height }: Size & { x: number; y: number }): Promise<Blob> {
  return withImage(photo, (image) => draw(image, { width, height }, { x, y, width, height }));
}

/** Undefined where this browser cannot show the file. */
export async function thumbnailOf(photo: Blob): Promise<Blob | undefined> {
  const make = (image: HTMLImageElement) => {
    const { naturalWidth, naturalHeight } = image;
    const scale = Math.min(1, THUMBNAIL_PIXELS / Math.max(naturalWidth, naturalHeight));
    const side = (length: number) => Math.max(1, Math.round(length * scale));
    return draw(image, { width: side(naturalWidth), height: side(naturalHeight) });
  };
  return withImage(photo, make).catch(() => undefined);
}

async function withImage<Made>(photo: Blob, make: (image: HTMLImageElement) => Made | Promise<Made>): Promise<Made> {
  const image = new Image();
  const url = URL.createObjectURL(untyped(await upright(photo)));
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error('This browser cannot show the file.'));
      image.src = url;
    });
    return await make(image);
  } finally {
    image.removeAttribute('src');
    // Chromium keeps a picture for ever, until it has left the page.
    document.body.append(image);
    image.remove();
    URL.revokeObjectURL(url);
  }
}

function draw(
  image: HTMLImageElement,
  { width, height }: Size,
  part: Size & { x: number; y: number } = { x: 0, y: 0, width: image.naturalWidth, height: image.naturalHeight },
): Promise<Blob> {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  canvas.getContext('2d')!.drawImage(image, part.x, part.y, part.width, part.height, 0, 0, width, height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The picture cannot be drawn here.'))));
  });
}
