import { AppError } from '../../shared/error.ts';
import type { Pixels } from '../images/image.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Interleaved 8-bit RGB → [1, 3, h, w], values 0..1. */
export function toTensor({ width, height, data }: Pixels): Tensor {
  const area = width * height;
  const planes = new Float32Array(3 * area);
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < 3; channel++) planes[channel * area + pixel] = data[pixel * 3 + channel]! / 255;
  }
  return { data: planes, shape: [1, 3, height, width] };
}

/**
 * [1, 3, h, w], values −1..1, clamped → interleaved 8-bit RGB; halves go to the even neighbor, as in numpy.
 * Throws AppError `output-rejected` when a number is not finite.
 */
export function fromTensor({ data, shape }: Tensor): Pixels {
  const [, , height, width] = shape as [number, number, number, number];
  const area = width * height;
  const pixels = new Uint8ClampedArray(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    for (let pixel = 0; pixel < area; pixel++) {
      const value = data[channel * area + pixel]!;
      if (!Number.isFinite(value))
        throw new AppError('output-rejected', `The network gave ${value}, which is no color.`);
      // The clamped array rounds as wanted.
      pixels[pixel * 3 + channel] = Math.fround(value / 2 + 0.5) * 255;
    }
  }
  return { width, height, channels: 3, data: new Uint8Array(pixels.buffer) };
}

/** Any picture as 8-bit RGB: gray three times, 16 bits rounded. */
export function toRgb8({ width, height, channels, data }: Pixels): Pixels {
  if (channels === 3 && data instanceof Uint8Array) return { width, height, channels, data };
  const unit = data instanceof Uint16Array ? 255 / 65_535 : 1;
  const rgb = new Uint8Array(width * height * 3);
  for (let index = 0; index < rgb.length; index++) {
    rgb[index] = Math.round(data[channels === 3 ? index : Math.floor(index / 3)]! * unit);
  }
  return { width, height, channels: 3, data: rgb };
}

/** The mean of red, green and blue. */
export function toGray({ width, height, data }: Pixels): Pixels {
  const gray = new Uint8Array(width * height);
  for (let pixel = 0; pixel < gray.length; pixel++) {
    gray[pixel] = Math.round((data[pixel * 3]! + data[pixel * 3 + 1]! + data[pixel * 3 + 2]!) / 3);
  }
  return { width, height, channels: 1, data: gray };
}
