import { AppError } from './error.ts';

/** The meaning of sample values as colors, where a file gives it by numbers instead of a profile. */

/** x and y (CIE 1931) of white, red, green and blue. */
type Chromaticities = [white: Point, red: Point, green: Point, blue: Point];
type Point = [x: number, y: number];

export interface ColorEncoding {
  chromaticities: Chromaticities;
  /** Light is the value to the power of this; or the curve of IEC 61966-2-1. */
  transfer: number | 'sRGB';
  /** A profile in the same file does not count. */
  beforeProfile?: true;
}

const D65: Point = [0.3127, 0.329];
const C: Point = [0.31, 0.316];

export const SRGB: ColorEncoding = {
  chromaticities: [D65, [0.64, 0.33], [0.3, 0.6], [0.15, 0.06]],
  transfer: 'sRGB',
};

/** ITU-T H.273 table 2: those that are not of BT.709, which sRGB has too. */
const CHROMATICITIES: Record<number, Chromaticities> = {
  4: [C, [0.67, 0.33], [0.21, 0.71], [0.14, 0.08]],
  5: [D65, [0.64, 0.33], [0.29, 0.6], [0.15, 0.06]],
  6: [D65, [0.63, 0.34], [0.31, 0.595], [0.155, 0.07]],
  7: [D65, [0.63, 0.34], [0.31, 0.595], [0.155, 0.07]],
  8: [C, [0.681, 0.319], [0.243, 0.692], [0.145, 0.049]],
  9: [D65, [0.708, 0.292], [0.17, 0.797], [0.131, 0.046]],
  11: [
    [0.314, 0.351],
    [0.68, 0.32],
    [0.265, 0.69],
    [0.15, 0.06],
  ],
  12: [D65, [0.68, 0.32], [0.265, 0.69], [0.15, 0.06]],
  22: [D65, [0.63, 0.34], [0.295, 0.605], [0.155, 0.077]],
};

/** Table 3: those that are not shown by the curve of sRGB, as browsers show those of video. */
const EXPONENTS: Record<number, number> = { 4: 2.2, 5: 2.8, 8: 1, 17: 2.6 };

/**
 * By the code points of ITU-T H.273, as found in AVIF and HEIC (`colr`) and PNG (`cICP`). Those that say nothing are those
 * of sRGB. Throws `hdr-unsupported`.
 */
export function encodingOf(primaries: number, transfer: number): ColorEncoding {
  const hdr = { 16: 'PQ', 18: 'HLG' }[transfer];
  if (hdr) throw new AppError('hdr-unsupported', `The image is HDR (${hdr} transfer); convert it to SDR first.`);
  return {
    chromaticities: CHROMATICITIES[primaries] ?? SRGB.chromaticities,
    transfer: EXPONENTS[transfer] ?? 'sRGB',
  };
}

/** Nobody sees less than this, and writers round. */
const SAME_POINT = 0.002;
const SAME_EXPONENT = 0.03;
/** Exponent of a pure power that passes for the curve of sRGB. */
const SRGB_EXPONENT = 2.2;

export function isSrgb({ chromaticities, transfer }: ColorEncoding): boolean {
  return (
    hasSrgbTransfer(transfer) &&
    chromaticities.flat().every((value, i) => Math.abs(value - SRGB.chromaticities.flat()[i]!) <= SAME_POINT)
  );
}

/** Of gray there is nothing else to know. */
export function hasSrgbTransfer(transfer: ColorEncoding['transfer']): boolean {
  return transfer === 'sRGB' || Math.abs(transfer - SRGB_EXPONENT) <= SAME_EXPONENT;
}
