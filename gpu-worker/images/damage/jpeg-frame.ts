import { viewOf } from '../../../shared/byte-view.ts';
import { createHuffmanTable, type HuffmanTable } from './jpeg-bits.ts';

/** Headers of a JPEG file before its scans (ITU-T T.81 annex B.2). */

export interface FrameComponent {
  id: number;
  horizontal: number;
  vertical: number;
  steps: Uint16Array;
  /** Blocks that hold pixels. */
  columns: number;
  rows: number;
  /** Blocks in whole MCUs. */
  paddedColumns: number;
  paddedRows: number;
}

export interface Frame {
  isProgressive: boolean;
  width: number;
  height: number;
  mcuColumns: number;
  mcuRows: number;
  components: FrameComponent[];
}

/** Undefined where the numbers make no picture. `steps`: tables of quantization by number. */
export function readFrame(body: Uint8Array, isProgressive: boolean, steps: Uint16Array[]): Frame | undefined {
  const view = viewOf(body);
  if (body.length < 6 || body.length < 6 + 3 * body[5]!) return undefined;
  const [height, width] = [view.getUint16(1), view.getUint16(3)];
  const factors = Array.from({ length: body[5]! }, (_, k) => ({
    id: body[6 + 3 * k]!,
    horizontal: body[7 + 3 * k]! >> 4,
    vertical: body[7 + 3 * k]! & 15,
    steps: steps[body[8 + 3 * k]!] ?? new Uint16Array(64).fill(1),
  }));
  const isValid = factors.length > 0 && factors.length <= 4 && width > 0 && height > 0;
  if (!isValid || factors.some(({ horizontal: h, vertical: v }) => h < 1 || h > 4 || v < 1 || v > 4)) return undefined;
  const [most, tallest] = [
    Math.max(...factors.map(({ horizontal }) => horizontal)),
    Math.max(...factors.map(({ vertical }) => vertical)),
  ];
  const [mcuColumns, mcuRows] = [Math.ceil(width / (8 * most)), Math.ceil(height / (8 * tallest))];
  const components = factors.map((factor) => ({
    ...factor,
    columns: Math.ceil(Math.ceil((width * factor.horizontal) / most) / 8),
    rows: Math.ceil(Math.ceil((height * factor.vertical) / tallest) / 8),
    paddedColumns: mcuColumns * factor.horizontal,
    paddedRows: mcuRows * factor.vertical,
  }));
  return { isProgressive, width, height, mcuColumns, mcuRows, components };
}

/** B.2.4.1, in zigzag order. */
export function readQuantization(body: Uint8Array, steps: Uint16Array[]): void {
  for (let at = 0; at < body.length; ) {
    const [wide, number] = [body[at]! >> 4 !== 0, body[at]! & 15];
    const size = wide ? 128 : 64;
    if (at + 1 + size > body.length) return;
    const view = viewOf(body.subarray(at + 1, at + 1 + size));
    steps[number] = Uint16Array.from({ length: 64 }, (_, k) => (wide ? view.getUint16(2 * k) : view.getUint8(k)));
    at += 1 + size;
  }
}

/** B.2.4.2. By class (0: DC, 1: AC) times 16 and number. */
export function readHuffman(body: Uint8Array, tables: (HuffmanTable | undefined)[]): void {
  for (let at = 0; at + 17 <= body.length; ) {
    const lengths = body.subarray(at + 1, at + 17);
    const count = lengths.reduce((sum, length) => sum + length, 0);
    tables[body[at]! & 31] = createHuffmanTable(lengths, body.slice(at + 17, at + 17 + count));
    at += 17 + count;
  }
}
