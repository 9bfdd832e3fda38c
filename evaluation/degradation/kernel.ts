import { createPlane, type Plane } from '../plane.ts';
import type { KernelParameters } from './draw.ts';

/** A filter whose weights add up to 1. */
export function makeKernel(parameters: KernelParameters): Plane {
  const { size } = parameters;
  const weight = parameters.shape === 'sinc' ? sincWeight(parameters) : bellWeight(parameters);
  const kernel = createPlane(size, size);
  const center = (size - 1) / 2;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) kernel.data[y * size + x] = weight(x - center, y - center);
  }
  const sum = kernel.data.reduce((total, value) => total + value, 0);
  return { ...kernel, data: kernel.data.map((value) => value / sum) };
}

/** exp(−½ qᵝ) or 1 / (1 + qᵝ), where q is the squared distance in units of the turned ellipse (Liu et al. 2020). */
function bellWeight({ shape, sigmaX, sigmaY, rotation, beta }: Exclude<KernelParameters, { shape: 'sinc' }>) {
  const [cosine, sine] = [Math.cos(rotation), Math.sin(rotation)];
  return (x: number, y: number) => {
    const power = (((cosine * x + sine * y) / sigmaX) ** 2 + ((cosine * y - sine * x) / sigmaY) ** 2) ** beta;
    return shape === 'plateau' ? 1 / (1 + power) : Math.exp(-0.5 * power);
  };
}

/** The round low pass of that cut-off in radians a pixel: it rings. */
function sincWeight({ cutoff }: Extract<KernelParameters, { shape: 'sinc' }>) {
  return (x: number, y: number) => {
    const distance = Math.hypot(x, y);
    if (distance === 0) return cutoff ** 2 / (4 * Math.PI);
    return (cutoff * besselJ1(cutoff * distance)) / (2 * Math.PI * distance);
  };
}

/** Bessel's function of the first kind and order, by its integral: the trapezoids are exact to 12 digits up to x = 60. */
export function besselJ1(x: number): number {
  const parts = 128;
  let sum = 0; // the two ends are 1 and −1
  for (let part = 1; part < parts; part++) {
    const angle = (Math.PI * part) / parts;
    sum += Math.cos(angle - x * Math.sin(angle));
  }
  return sum / parts;
}

/** Beyond the borders the picture is mirrored, without its outermost pixels. */
export function applyKernel(plane: Plane, kernel: Plane): Plane {
  const { width, height } = plane;
  const radius = (kernel.width - 1) / 2;
  const padded = mirrorPlane(plane, radius);
  const filtered = createPlane(width, height);
  for (let y = 0; y < height; y++) {
    for (let tap = 0; tap < kernel.data.length; tap++) {
      const weight = kernel.data[tap]!;
      const from = (y + Math.floor(tap / kernel.width)) * padded.width + (tap % kernel.width);
      for (let x = 0; x < width; x++) filtered.data[y * width + x]! += weight * padded.data[from + x]!;
    }
  }
  return filtered;
}

/** `margin` more pixels at every side, mirrored without the outermost; as often as it takes. */
export function mirrorPlane({ width, height, data }: Plane, margin: number): Plane {
  const padded = createPlane(width + 2 * margin, height + 2 * margin);
  const mirror = (position: number, size: number) => {
    const period = Math.max(1, 2 * (size - 1));
    const inside = ((position % period) + period) % period;
    return inside < size ? inside : period - inside;
  };
  for (let y = 0; y < padded.height; y++) {
    const row = mirror(y - margin, height) * width;
    for (let x = 0; x < padded.width; x++) padded.data[y * padded.width + x] = data[row + mirror(x - margin, width)]!;
  }
  return padded;
}
