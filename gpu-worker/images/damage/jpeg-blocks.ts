import type { BitReader, HuffmanTable } from './jpeg-bits.ts';

/** The blocks of a JPEG scan, walked without making pixels: are their numbers such as an encoder writes? */

/** One component in one scan. */
export interface ScanComponent {
  dc?: HuffmanTable | undefined;
  ac?: HuffmanTable | undefined;
  /** Steps of quantization in zigzag order. */
  steps: ArrayLike<number>;
  /** Last DC value, which the next is told from. */
  prediction: number;
  /** Of color components: the detail of the last two blocks. */
  recent?: [Detail, Detail];
  /** Of progressive files: 64 bits a block, which coefficients are not 0. */
  nonzero?: Uint32Array;
}

/** How much a block says beside its mean. */
interface Detail {
  energy: number;
  fineEnergy: number;
  fineCoefficients: number;
}

export const NO_DETAIL: Detail = { energy: 0, fineEnergy: 0, fineCoefficients: 0 };

export interface Scan {
  /** Spectral selection, successive approximation (ITU-T T.81 annex G). */
  first: number;
  last: number;
  high: number;
  low: number;
  /** Blocks to come that have no more coefficients in this scan. */
  endOfBandRun: number;
}

/**
 * Limit for 8-bit samples: they come to 1024 for DC, somewhat more for AC; encoders overshoot next to white on purpose.
 * Twice that is no picture any more.
 */
const MAX_COEFFICIENT = 1300;
const MAX_DC_BITS = 11;
const MAX_AC_BITS = 10;

/** Of a scan of all coefficients at once. False if the block cannot be one. */
export function walkBlock(bits: BitReader, component: ScanComponent): boolean {
  let isSound = walkDc(bits, component, 0);
  const detail = { ...NO_DETAIL };
  for (let k = 1; k < 64; k++) {
    const code = bits.decode(component.ac!);
    const size = code & 15;
    if (code < 0) isSound = false;
    if (code <= 0) break;
    if (size === 0) {
      if (code !== 0xf0) isSound = false;
      if (code < 0xf0) break;
      k += 15;
      continue;
    }
    k += code >> 4;
    const amount = Math.abs(signed(bits.read(size), size)) * component.steps[k]!;
    if (k > 63 || size > MAX_AC_BITS || amount > MAX_COEFFICIENT) isSound = false;
    detail.energy += amount * amount;
    if (k < FINE) continue;
    detail.fineEnergy += amount * amount;
    detail.fineCoefficients++;
  }
  return !isStranger(component, detail) && isSound;
}

/** From this coefficient on, in zigzag order, details are finer than colors of photos have. */
const FINE = 10;
const STRANGE = { energy: 256 ** 2, fineShare: 0.95, fineCoefficients: 6, timesNeighbors: 100 };

/**
 * Whether the block before was a loud, fine pattern of color between quiet neighbors: a changed bit leaves that where
 * the codes after it happen to make sense again. Lights and letters are less fine, or not alone.
 */
function isStranger(component: ScanComponent, detail: Detail): boolean {
  if (!component.recent) return false;
  const [before, middle] = component.recent;
  component.recent = [middle, detail];
  return (
    middle.energy > STRANGE.energy &&
    middle.fineEnergy > STRANGE.fineShare * middle.energy &&
    middle.fineCoefficients >= STRANGE.fineCoefficients &&
    middle.energy > STRANGE.timesNeighbors * Math.max(before.energy, detail.energy)
  );
}

function walkDc(bits: BitReader, component: ScanComponent, low: number): boolean {
  const size = bits.decode(component.dc!);
  if (size < 0 || size > MAX_DC_BITS) return false;
  component.prediction += signed(bits.read(size), size);
  return Math.abs(component.prediction << low) * component.steps[0]! <= MAX_COEFFICIENT;
}

/** T.81 figure F.12. */
function signed(value: number, size: number): number {
  return value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
}

/**
 * Of a progressive scan, which has either DC or a band of one component. `block`: its number, for the state that is
 * kept of it.
 */
export function walkProgressiveBlock(bits: BitReader, component: ScanComponent, scan: Scan, block: number): boolean {
  if (scan.first === 0) {
    if (scan.high === 0) return walkDc(bits, component, scan.low);
    bits.read(1);
    return true;
  }
  return scan.high === 0 ? walkBand(bits, component, scan, block) : refineBand(bits, component, scan, block);
}

/** T.81 figure G.3. */
function walkBand(bits: BitReader, component: ScanComponent, scan: Scan, block: number): boolean {
  if (scan.endOfBandRun > 0) {
    scan.endOfBandRun--;
    return true;
  }
  for (let k = scan.first; k <= scan.last; k++) {
    const code = bits.decode(component.ac!);
    if (code < 0) return false;
    const [run, size] = [code >> 4, code & 15];
    if (size === 0) {
      if (run < 15) {
        scan.endOfBandRun = (1 << run) + bits.read(run) - 1;
        return true;
      }
      k += 15;
      continue;
    }
    k += run;
    const value = signed(bits.read(size), size) * (1 << scan.low);
    if (k > scan.last || size > MAX_AC_BITS || Math.abs(value) * component.steps[k]! > MAX_COEFFICIENT) return false;
    markNonzero(component, block, k);
  }
  return true;
}

/** T.81 figure G.7. */
function refineBand(bits: BitReader, component: ScanComponent, scan: Scan, block: number): boolean {
  let k = scan.first;
  let isSound = true;
  if (scan.endOfBandRun === 0) {
    for (; k <= scan.last; k++) {
      const code = bits.decode(component.ac!);
      if (code < 0) return false;
      let run = code >> 4;
      const size = code & 15;
      if (size > 1) isSound = false;
      if (size > 0) bits.read(1);
      else if (run < 15) {
        scan.endOfBandRun = (1 << run) + bits.read(run);
        break;
      }
      for (; k <= scan.last; k++) {
        if (isNonzero(component, block, k)) bits.read(1);
        else if (--run < 0) break;
      }
      if (size > 0 && k > scan.last) isSound = false;
      if (size > 0 && k <= scan.last) markNonzero(component, block, k);
    }
  }
  if (scan.endOfBandRun > 0) {
    for (; k <= scan.last; k++) if (isNonzero(component, block, k)) bits.read(1);
    scan.endOfBandRun--;
  }
  return isSound;
}

function markNonzero({ nonzero }: ScanComponent, block: number, k: number): void {
  if (nonzero) nonzero[2 * block + (k >> 5)]! |= 1 << (k & 31);
}

function isNonzero({ nonzero }: ScanComponent, block: number, k: number): boolean {
  return ((nonzero?.[2 * block + (k >> 5)] ?? 0) & (1 << (k & 31))) !== 0;
}
