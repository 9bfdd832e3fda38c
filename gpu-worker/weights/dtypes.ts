import { AppError } from '../../shared/error.ts';
import { bfloat16ToFloat, halfToFloat } from '../tensor/half-floats.ts';

/** Exact values of a tensor, in any array that holds them. */
export type Numbers =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>;

/** Types of elements under their safetensors names; little-endian, as every machine that Node runs on. */
const DTYPES = {
  F64: { bytes: 8, numbers: (buffer: ArrayBuffer): Numbers => new Float64Array(buffer) },
  F32: { bytes: 4, numbers: (buffer: ArrayBuffer): Numbers => new Float32Array(buffer) },
  F16: { bytes: 2, numbers: (buffer: ArrayBuffer): Numbers => halfToFloat(new Uint16Array(buffer)) },
  BF16: { bytes: 2, numbers: (buffer: ArrayBuffer): Numbers => bfloat16ToFloat(new Uint16Array(buffer)) },
  I64: { bytes: 8, numbers: (buffer: ArrayBuffer): Numbers => exactNumbers(new BigInt64Array(buffer)) },
  I32: { bytes: 4, numbers: (buffer: ArrayBuffer): Numbers => new Int32Array(buffer) },
  I16: { bytes: 2, numbers: (buffer: ArrayBuffer): Numbers => new Int16Array(buffer) },
  I8: { bytes: 1, numbers: (buffer: ArrayBuffer): Numbers => new Int8Array(buffer) },
  U64: { bytes: 8, numbers: (buffer: ArrayBuffer): Numbers => exactNumbers(new BigUint64Array(buffer)) },
  U32: { bytes: 4, numbers: (buffer: ArrayBuffer): Numbers => new Uint32Array(buffer) },
  U16: { bytes: 2, numbers: (buffer: ArrayBuffer): Numbers => new Uint16Array(buffer) },
  U8: { bytes: 1, numbers: (buffer: ArrayBuffer): Numbers => new Uint8Array(buffer) },
  BOOL: { bytes: 1, numbers: (buffer: ArrayBuffer): Numbers => new Uint8Array(buffer).map((byte) => (byte ? 1 : 0)) },
};

export type Dtype = keyof typeof DTYPES;

export function isDtype(name: string): name is Dtype {
  return Object.hasOwn(DTYPES, name);
}

export function bytesPerElement(dtype: Dtype): number {
  return DTYPES[dtype].bytes;
}

/** The numbers that the bytes stand for, exactly. Throws AppError `engine-failed` for an integer beyond ±(2^53 − 1). */
export function toNumbers(dtype: Dtype, buffer: ArrayBuffer): Numbers {
  return DTYPES[dtype].numbers(buffer);
}

function exactNumbers(integers: BigInt64Array | BigUint64Array): Float64Array<ArrayBuffer> {
  const numbers = new Float64Array(integers.length);
  for (const [index, integer] of integers.entries()) {
    const number = Number(integer);
    if (!Number.isSafeInteger(number)) {
      throw new AppError('engine-failed', `A tensor holds ${integer}; integers beyond 2^53 are not supported.`);
    }
    numbers[index] = number;
  }
  return numbers;
}
