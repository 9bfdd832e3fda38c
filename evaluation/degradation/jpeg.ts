import { createPlane, type Plane } from '../plane.ts';

/** Red, green and blue in 0..1. */
export type Picture = readonly [Plane, Plane, Plane];

const BLOCK = 8;
/** ISO/IEC 10918-1, annex K.1. */
const LUMINANCE_TABLE = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMINANCE_CORNER = [17, 18, 24, 47, 18, 21, 26, 66, 24, 26, 56, 99, 47, 66, 99, 99];
const CHROMINANCE_TABLE = LUMINANCE_TABLE.map((_, index) => {
  const [row, column] = [Math.floor(index / BLOCK), index % BLOCK];
  return row < 4 && column < 4 ? CHROMINANCE_CORNER[row * 4 + column]! : 99;
});

/** Rows are the orthonormal cosines of the DCT. */
const COSINES = Float64Array.from({ length: BLOCK ** 2 }, (_, index) => {
  const [frequency, x] = [Math.floor(index / BLOCK), index % BLOCK];
  return Math.cos(((2 * x + 1) * frequency * Math.PI) / 16) * (frequency === 0 ? Math.sqrt(1 / 8) : 0.5);
});

/**
 * The effect of JPEG at that quality, which need not be whole, on a picture: color at half the size, cosines rounded to
 * the steps of the tables. Repeated in floating point as training does, so that the result does not depend on a codec.
 */
export function compressPicture(picture: Picture, quality: number): Picture {
  const factor = (quality < 50 ? 5000 / quality : 200 - 2 * quality) / 100;
  const { width, height } = picture[0];
  const padded = picture.map((plane) => padPlane(plane, 2 * BLOCK)) as unknown as Picture;
  const [red, green, blue] = padded;
  const mix = (r: number, g: number, b: number) => ({
    ...red,
    data: red.data.map((value, i) => 255 * (r * clamp(value) + g * clamp(green.data[i]!) + b * clamp(blue.data[i]!))),
  });
  const y = quantize(mix(0.299, 0.587, 0.114), LUMINANCE_TABLE, factor, 128);
  const cb = double(quantize(half(mix(-0.168736, -0.331264, 0.5)), CHROMINANCE_TABLE, factor, 0));
  const cr = double(quantize(half(mix(0.5, -0.418688, -0.081312)), CHROMINANCE_TABLE, factor, 0));
  const color = (u: number, v: number) => {
    const plane = createPlane(width, height);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const from = row * y.width + column;
        plane.data[row * width + column] = clamp((y.data[from]! + u * cb.data[from]! + v * cr.data[from]!) / 255);
      }
    }
    return plane;
  };
  return [color(0, 1.402), color(-0.344136, -0.714136), color(1.772, 0)];
}

/** All blocks there and back. `offset` is taken off before. */
function quantize(plane: Plane, table: readonly number[], factor: number, offset: number): Plane {
  const result = createPlane(plane.width, plane.height);
  const block = new Float64Array(BLOCK ** 2);
  for (let top = 0; top < plane.height; top += BLOCK) {
    for (let left = 0; left < plane.width; left += BLOCK) {
      const place = (index: number) => (top + (index >> 3)) * plane.width + left + (index & 7);
      for (let index = 0; index < block.length; index++) block[index] = plane.data[place(index)]! - offset;
      const spectrum = transform(block, (frequency, x) => COSINES[frequency * BLOCK + x]!);
      for (const [index, step] of table.entries()) {
        spectrum[index] = Math.round(spectrum[index]! / (step * factor)) * step * factor;
      }
      const back = transform(spectrum, (x, frequency) => COSINES[frequency * BLOCK + x]!);
      for (const [index, value] of back.entries()) result.data[place(index)] = value + offset;
    }
  }
  return result;
}

/** Along the rows, then along the columns. */
function transform(block: Float64Array, weight: (to: number, from: number) => number): Float64Array {
  const rows = new Float64Array(block.length);
  const result = new Float64Array(block.length);
  for (let index = 0; index < block.length; index++) {
    for (let from = 0; from < BLOCK; from++) rows[index]! += weight(index & 7, from) * block[(index & ~7) + from]!;
  }
  for (let index = 0; index < block.length; index++) {
    for (let from = 0; from < BLOCK; from++)
      result[index]! += weight(index >> 3, from) * rows[from * BLOCK + (index & 7)]!;
  }
  return result;
}

/** Black to the right and below, up to a multiple. */
function padPlane({ width, height, data }: Plane, multiple: number): Plane {
  const up = (size: number) => Math.ceil(size / multiple) * multiple;
  const padded = createPlane(up(width), up(height));
  for (let y = 0; y < height; y++) padded.data.set(data.subarray(y * width, (y + 1) * width), y * padded.width);
  return padded;
}

function half({ width, height, data }: Plane): Plane {
  const small = createPlane(width / 2, height / 2);
  for (let index = 0; index < data.length; index++) {
    const [row, column] = [Math.floor(index / width) >> 1, (index % width) >> 1];
    small.data[row * small.width + column]! += data[index]! / 4;
  }
  return small;
}

function double({ width, height, data }: Plane): Plane {
  const large = createPlane(width * 2, height * 2);
  for (let index = 0; index < large.data.length; index++) {
    const [row, column] = [Math.floor(index / large.width) >> 1, (index % large.width) >> 1];
    large.data[index] = data[row * width + column]!;
  }
  return large;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
