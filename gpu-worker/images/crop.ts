import type { DecodedImage, Pixels } from './image.ts';

interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A part of the photo, which must lie inside it. */
export function cropPhoto(photo: DecodedImage, part: Rectangle): DecodedImage {
  const { alpha, metadata } = photo;
  const placement = metadata.placement && { ...metadata.placement, crop: part };
  return {
    ...photo,
    pixels: cropPixels(photo.pixels, part),
    ...(alpha && { alpha: cropPixels(alpha, part) }),
    metadata: { ...metadata, ...(placement && { placement }) },
  };
}

export function cropPixels({ width: rowPixels, channels, data }: Pixels, { x, y, width, height }: Rectangle): Pixels {
  const length = width * height * channels;
  const part = data instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
  for (let row = 0; row < height; row++) {
    const start = ((y + row) * rowPixels + x) * channels;
    part.set(data.subarray(start, start + width * channels), row * width * channels);
  }
  return { width, height, channels, data: part };
}
