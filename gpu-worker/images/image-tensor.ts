import { AppError } from '../../shared/error.ts';
import type { BitDepth } from '../../shared/output-format.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Pixels } from './image.ts';

/** Interleaved 8-bit RGB → [1, 3, h, w], values 0..1. */
export function toTensor({ width, height, data }: Pixels): Tensor {
  const area = width * height;
  const planes = new Float32Array(3 * area);
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < 3; channel++) planes[channel * area + pixel] = data[pixel * 3 + channel]! / 255;
  }
  return { data: planes, shape: [1, 3, height, width] };
}

/** 0..1 → −1..1, as autoencoders take pictures. */
export function centered({ data, shape }: Tensor): Tensor {
  return { data: data.map((value) => 2 * value - 1), shape };
}

/**
 * [1, 3, h, w], values −1..1, clamped → interleaved RGB; halves go to the even neighbor, as in numpy.
 * Throws AppError `output-rejected` when a number is not finite.
 */
export function fromTensor({ data, shape }: Tensor, bitDepth: BitDepth = 8): Pixels {
  const [, , height, width] = shape as [number, number, number, number];
  const area = width * height;
  const white = 2 ** bitDepth - 1;
  // The clamped array rounds as wanted; in 16 bits halves hardly ever come.
  const pixels = bitDepth === 16 ? new Uint16Array(3 * area) : new Uint8ClampedArray(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    for (let pixel = 0; pixel < area; pixel++) {
      const value = data[channel * area + pixel]!;
      if (!Number.isFinite(value))
        throw new AppError('output-rejected', `The network gave ${value}, which is no color.`);
      const sample = Math.fround(value / 2 + 0.5) * white;
      pixels[pixel * 3 + channel] = bitDepth === 16 ? Math.min(white, Math.max(0, Math.round(sample))) : sample;
    }
  }
  const samples = pixels instanceof Uint16Array ? pixels : new Uint8Array(pixels.buffer);
  return { width, height, channels: 3, data: samples };
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
