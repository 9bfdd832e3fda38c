import { textAt, viewOf } from '../../shared/byte-view.ts';
import { type ColorEncoding, hasSrgbTransfer, isSrgb, SRGB } from '../../shared/color-encoding.ts';

type Vector = [number, number, number];
type Matrix = [Vector, Vector, Vector];

/** Of the profile connection space (ICC.1:2001-04, 6.1.1). */
const D50: Vector = [0.9642, 1, 0.8249];
/** Bradford cone responses (ICC.1:2001-04 leaves the method open; later versions name this one). */
const BRADFORD: Matrix = [
  [0.8951, 0.2664, -0.1614],
  [-0.7502, 1.7135, 0.0367],
  [0.0389, -0.0685, 1.0296],
];
/** Exponents beyond these show everything black or white. */
const EXPONENTS = { least: 0.1, most: 10 };
const CURVE_POINTS = 1024;

/**
 * The color numbers of a file, as an ICC profile (version 2, matrix or gray), so that the result can say them in every
 * format. Undefined for colors that are shown as sRGB anyway. Throws RangeError for numbers that make no colors.
 */
export function statedProfile(encoding: ColorEncoding, channels: 1 | 3): Buffer | undefined {
  const { chromaticities, transfer } = encoding;
  if (channels === 1 ? hasSrgbTransfer(transfer) : isSrgb(encoding)) return undefined;
  const [name, curve] = ['Colors as the file stated them', curveTag(transfer)];
  return channels === 1 ? profile('GRAY', name, [['kTRC', curve]]) : matrixProfile(name, chromaticities, curve);
}

function matrixProfile(name: string, [white, ...primaries]: ColorEncoding['chromaticities'], curve: Buffer): Buffer {
  const colors = colorants(xyz(white), primaries.map(xyz) as Matrix);
  return profile('RGB ', name, [
    ...colors.map((color, k): Tag => [`${'rgb'[k]}XYZ`, xyzTag(color)]),
    ...['rTRC', 'gTRC', 'bTRC'].map((channel): Tag => [channel, curve]),
  ]);
}

/**
 * A profile for RGB that shows gray as `icc`, one for gray, does: with its curve for all three, and the primaries of sRGB.
 * Undefined if that has no curve.
 */
export function rgbProfileOfGray(icc: Uint8Array): Buffer | undefined {
  const view = viewOf(icc);
  for (let k = 0; k < Math.min(view.getUint32(128), 100) && 144 + 12 * k <= icc.length; k++) {
    const [offset, length] = [view.getUint32(136 + 12 * k), view.getUint32(140 + 12 * k)];
    if (textAt(icc, 132 + 12 * k, 4) !== 'kTRC' || offset + length > icc.length) continue;
    return matrixProfile('Gray in RGB', SRGB.chromaticities, Buffer.from(icc.subarray(offset, offset + length)));
  }
  return undefined;
}

/** Each primary as bright as it must be for the sum to be white, seen under D50. */
function colorants(white: Vector, primaries: Matrix): Vector[] {
  const shares = times(inverse(transposed(primaries)), white);
  const [from, to] = [times(BRADFORD, white), times(BRADFORD, D50)];
  const back = inverse(BRADFORD);
  return primaries.map((primary, k) => {
    const cones = times(BRADFORD, scaled(primary, shares[k]!));
    return times(back, cones.map((cone, c) => (cone * to[c]!) / from[c]!) as Vector);
  });
}

/** With Y = 1. */
function xyz([x, y]: readonly [number, number]): Vector {
  return [x / y, 1, (1 - x - y) / y];
}

type Tag = [name: string, data: Buffer];

function profile(space: string, name: string, more: Tag[]): Buffer {
  const tags: Tag[] = [
    ['desc', descriptionTag(name)],
    ['cprt', Buffer.concat([typed('text'), Buffer.from('No copyright\0', 'latin1')])],
    ['wtpt', xyzTag(D50)],
    ...more,
  ];
  const header = Buffer.alloc(128);
  header.writeUInt32BE(0x02100000, 8);
  header.write(`mntr${space}XYZ `, 12, 'latin1');
  header.writeUInt32BE(0x07d0_0001, 24); // made on a day that says nothing: 2000-01-01
  header.writeUInt16BE(1, 28);
  header.write('acsp', 36, 'latin1');
  header.set(fixed(D50), 68);
  const table = Buffer.alloc(4 + 12 * tags.length);
  table.writeUInt32BE(tags.length, 0);
  const parts: Buffer[] = [];
  let offset = header.length + table.length;
  for (const [k, [tag, data]] of tags.entries()) {
    table.write(tag, 4 + 12 * k, 'latin1');
    table.writeUInt32BE(offset, 8 + 12 * k);
    table.writeUInt32BE(data.length, 12 + 12 * k);
    const padded = Buffer.alloc(Math.ceil(data.length / 4) * 4);
    padded.set(data);
    parts.push(padded);
    offset += padded.length;
  }
  header.writeUInt32BE(offset, 0);
  return Buffer.concat([header, table, ...parts]);
}

/** ICC.1:2001-04, 6.5.3: an exponent, or a table. */
function curveTag(transfer: ColorEncoding['transfer']): Buffer {
  const isPower = transfer !== 'sRGB';
  if (isPower && !(transfer >= EXPONENTS.least && transfer <= EXPONENTS.most)) {
    throw new RangeError(`the exponent is ${transfer}`);
  }
  const values = isPower
    ? [Math.round(transfer * 256)]
    : Array.from({ length: CURVE_POINTS }, (_, k) => Math.round(65_535 * srgbLight(k / (CURVE_POINTS - 1))));
  const data = Buffer.alloc(4 + 2 * values.length);
  data.writeUInt32BE(values.length, 0);
  for (const [k, value] of values.entries()) data.writeUInt16BE(value, 4 + 2 * k);
  return Buffer.concat([typed('curv'), data]);
}

/** IEC 61966-2-1. */
function srgbLight(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

/** 6.5.17: ASCII, and no text in Unicode or for Macintosh. */
function descriptionTag(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length + 1, 0);
  return Buffer.concat([typed('desc'), length, Buffer.from(`${text}\0`, 'latin1'), Buffer.alloc(4 + 4 + 2 + 1 + 67)]);
}

function xyzTag(value: Vector): Buffer {
  return Buffer.concat([typed('XYZ '), fixed(value)]);
}

function typed(name: string): Buffer {
  return Buffer.concat([Buffer.from(name, 'latin1'), Buffer.alloc(4)]);
}

/** s15Fixed16. */
function fixed(values: Vector): Buffer {
  const data = Buffer.alloc(12);
  for (const [k, value] of values.entries()) {
    if (!(Math.abs(value) < 32_768)) throw new RangeError(`a primary color comes to ${value}`);
    data.writeInt32BE(Math.round(value * 65_536), 4 * k);
  }
  return data;
}

function times(matrix: Matrix, [x, y, z]: Vector): Vector {
  return matrix.map((row) => row[0] * x + row[1] * y + row[2] * z) as Vector;
}

function scaled(vector: Vector, factor: number): Vector {
  return vector.map((value) => value * factor) as Vector;
}

function transposed(matrix: Matrix): Matrix {
  return [0, 1, 2].map((k) => matrix.map((row) => row[k])) as Matrix;
}

/** By cofactors. */
function inverse([a, b, c]: Matrix): Matrix {
  const cofactors: Matrix = [cross(b, c), cross(c, a), cross(a, b)];
  const determinant = a[0] * cofactors[0][0] + a[1] * cofactors[0][1] + a[2] * cofactors[0][2];
  return transposed(cofactors.map((row) => scaled(row, 1 / determinant)) as Matrix);
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}
