import type { ColorFix } from '../../shared/methods/parameters.ts';
import { blur } from '../images/blur.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Distances of the taps of the five blurs, in pixels. */
const WAVELET_RADII = [1, 2, 4, 8, 16];
/** Added to the variances by the reference, whatever the range of the values. */
const VARIANCE_FLOOR = 1e-5;

/**
 * The result with the colors of the reference, as StableSR gives them (Wang et al. 2023, section 3.4): in floats that are
 * neither rounded nor clamped. Both [1, c, h, w], of equal shape.
 */
export function fixFloatColors(result: Tensor, reference: Tensor, method: ColorFix): Tensor {
  if (`${result.shape}` !== `${reference.shape}`)
    throw new RangeError(`Colors of [${reference.shape}] cannot be given to [${result.shape}].`);
  if (method === 'none') return result;
  const [, channels, height, width] = result.shape as [number, number, number, number];
  const fix = method === 'adain' ? matchMoments : addCoarseDifference;
  const data = new Float32Array(result.data.length);
  const plane = ({ data: values }: Tensor, channel: number) =>
    values.subarray(channel * height * width, (channel + 1) * height * width);
  for (let channel = 0; channel < channels; channel++)
    fix(plane(result, channel), plane(reference, channel), plane({ ...result, data }, channel), width);
  return { data, shape: result.shape };
}

/** AdaIN (Huang & Belongie 2017): mean and deviation. */
function matchMoments(from: Float32Array, to: Float32Array, output: Float32Array): void {
  const [own, wanted] = [momentsOf(from), momentsOf(to)];
  for (const [index, value] of from.entries())
    output[index] = ((value - own.mean) / own.deviation) * wanted.deviation + wanted.mean;
}

function momentsOf(values: Float32Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  // One pixel has no variance of its own.
  const variance = squares / Math.max(1, values.length - 1);
  return { mean, deviation: Math.sqrt(variance + VARIANCE_FLOOR) };
}

/** The sum of all fine bands is what the blurs leave out, so: result + blurred (reference − result). */
function addCoarseDifference(from: Float32Array, to: Float32Array, output: Float32Array, width: number): void {
  const scratch = new Float32Array(from.length);
  output.set(to.map((value, index) => value - from[index]!));
  for (const radius of WAVELET_RADII) blur(output, width, radius, scratch);
  for (const [index, value] of from.entries()) output[index]! += value;
}
