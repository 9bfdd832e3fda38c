import { MODEL_SCALE } from '../../shared/tile-plan.ts';

/** Sums of as many 8-bit values are kept whole. */
const SAMPLES = MODEL_SCALE ** 2;
/** Of sRGB (IEC 61966-2-1), for every sum of samples. */
const LINEAR = Float64Array.from({ length: 255 * SAMPLES + 1 }, (_, sum) => {
  const value = sum / (255 * SAMPLES);
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
});
const LAB = { photo: new Float64Array(3), result: new Float64Array(3) };

/**
 * Distance of two colors in CIELAB, D65 (CIE 1976 ΔE*ab; 2.3 is just noticeable), at `index` of interleaved samples.
 * `photo`: 0..255; `result`: sums of 16 such values. Values are taken for sRGB, whatever the photo's profile.
 */
export function deltaE(photo: Uint8Array, result: Uint16Array, index: number, channels: number): number {
  const [second, third] = channels === 3 ? [index + 1, index + 2] : [index, index];
  toLab(photo[index]! * SAMPLES, photo[second]! * SAMPLES, photo[third]! * SAMPLES, LAB.photo);
  toLab(result[index]!, result[second]!, result[third]!, LAB.result);
  let squares = 0;
  for (let axis = 0; axis < 3; axis++) squares += (LAB.photo[axis]! - LAB.result[axis]!) ** 2;
  return Math.sqrt(squares);
}

function toLab(red: number, green: number, blue: number, lab: Float64Array): void {
  const r = LINEAR[red]!;
  const g = LINEAR[green]!;
  const b = LINEAR[blue]!;
  const x = curve((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const y = curve(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = curve((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  lab[0] = 116 * y - 16;
  lab[1] = 500 * (x - y);
  lab[2] = 200 * (y - z);
}

/** CIE 15, 8.2.1. */
function curve(value: number): number {
  return value > 216 / 24389 ? Math.cbrt(value) : (value * 24389) / 27 / 116 + 16 / 116;
}
