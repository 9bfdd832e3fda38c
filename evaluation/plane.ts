import type { Pixels } from '../gpu-worker/images/image.ts';

/** One channel in row-major order, in double precision: metrics subtract numbers that are nearly equal. */
export interface Plane {
  width: number;
  height: number;
  data: Float64Array;
}

export function createPlane(width: number, height: number): Plane {
  return { width, height, data: new Float64Array(width * height) };
}

/** Y of ITU-R BT.601 in its limited range, 16..235, not rounded: as super-resolution is measured (MATLAB `rgb2ycbcr`). */
export function luminance(pixels: Pixels): Plane {
  return weigh(pixels, (red, green, blue) => 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255);
}

/** Y of ITU-R BT.601 in the full range, 0..255: `yiq` of pyiqa, in whose fp32, since halves are frequent and get rounded. */
export function fullLuminance(pixels: Pixels): Plane {
  const part = (level: number, weight: number) => Math.fround(Math.fround(level / 255) * Math.fround(weight));
  return weigh(pixels, (red, green, blue) => {
    const sum = Math.fround(Math.fround(part(red, 0.299) + part(green, 0.587)) + part(blue, 0.114));
    return Math.fround(sum * 255);
  });
}

/** Whole levels, halves to the even one. */
export function wholeLevels(plane: Plane): Plane {
  return { ...plane, data: plane.data.map(roundHalfToEven) };
}

/** As Python and PyTorch round. */
export function roundHalfToEven(value: number): number {
  return Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
}

/** Whole grey levels 0..255 by the weights of BT.601 in fixed point, as OpenCV makes them. */
export function greyLevels(pixels: Pixels): Plane {
  return weigh(pixels, (red, green, blue) => Math.floor((red * 4899 + green * 9617 + blue * 1868 + 8192) / 16_384));
}

/** Grey counts as three equal channels; 16 bits are brought to 8. */
function weigh({ width, height, channels, data }: Pixels, weight: (r: number, g: number, b: number) => number): Plane {
  const plane = createPlane(width, height);
  const level = (index: number) => (data instanceof Uint16Array ? Math.round(data[index]! / 257) : data[index]!);
  for (let pixel = 0; pixel < plane.data.length; pixel++) {
    const red = pixel * channels;
    const [green, blue] = channels === 1 ? [red, red] : [red + 1, red + 2];
    plane.data[pixel] = weight(level(red), level(green), level(blue));
  }
  return plane;
}

/** A copy of the part that begins at (left, top). */
export function cutPlane(plane: Plane, left: number, top: number, width: number, height: number): Plane {
  const cut = createPlane(width, height);
  for (let y = 0; y < height; y++) {
    const from = (top + y) * plane.width + left;
    cut.data.set(plane.data.subarray(from, from + width), y * width);
  }
  return cut;
}

/** Throws RangeError where nothing is left. */
export function withoutBorder(plane: Plane, border: number): Plane {
  const [width, height] = [plane.width - 2 * border, plane.height - 2 * border];
  if (Math.min(width, height) < 1) {
    throw new RangeError(`${plane.width}×${plane.height} pixels are nothing without ${border} of each border.`);
  }
  return cutPlane(plane, border, border, width, height);
}

/** Filters rows, then columns, with a symmetric kernel of odd length; the border pixels go on outside. */
export function filterPlane(plane: Plane, kernel: readonly number[]): Plane {
  const { width, height } = plane;
  const radius = (kernel.length - 1) / 2;
  const wide = createPlane(width, height);
  const filtered = createPlane(width, height);
  const line = new Float64Array(width + 2 * radius);
  for (let y = 0; y < height; y++) {
    const row = plane.data.subarray(y * width, (y + 1) * width);
    line.fill(row[0]!, 0, radius).fill(row[width - 1]!, radius + width);
    line.set(row, radius);
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let tap = 0; tap < kernel.length; tap++) sum += kernel[tap]! * line[x + tap]!;
      wide.data[y * width + x] = sum;
    }
  }
  for (let y = 0; y < height; y++) {
    for (let tap = 0; tap < kernel.length; tap++) {
      const from = Math.min(height - 1, Math.max(0, y + tap - radius)) * width;
      const weight = kernel[tap]!;
      for (let x = 0; x < width; x++) filtered.data[y * width + x]! += weight * wide.data[from + x]!;
    }
  }
  return filtered;
}

/** `length` samples of a Gaussian around its center; they add up to 1. */
export function gaussianKernel(length: number, sigma: number): number[] {
  const raw = Array.from({ length }, (_, tap) => Math.exp(-((tap - (length - 1) / 2) ** 2) / (2 * sigma ** 2)));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  return raw.map((weight) => weight / sum);
}
