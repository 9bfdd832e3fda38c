/** Dense fp32 numbers in row-major order, the last axis fastest: images are [batch, channel, height, width]. */
export interface Tensor {
  data: Float32Array;
  shape: readonly number[];
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
