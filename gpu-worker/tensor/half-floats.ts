/// <reference lib="esnext.float16" />

/** IEEE 754 binary16 bits as fp32, exact. */
export function halfToFloat(bits: Uint16Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(new Float16Array(bits.buffer, bits.byteOffset, bits.length));
}

/** bfloat16 bits as fp32, exact: they are the upper half of the fp32 bits. */
export function bfloat16ToFloat(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(bits.length);
  const words = new Uint32Array(floats.buffer);
  for (const [index, value] of bits.entries()) words[index] = value << 16;
  return floats;
}

/** fp32 as IEEE 754 binary16 bits, rounded to nearest even; values that are too large become infinite. */
export function floatToHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(new Float16Array(values).buffer);
}
