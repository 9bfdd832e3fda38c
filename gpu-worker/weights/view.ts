import { elementCount } from '../tensor/tensor.ts';
import type { Numbers } from './dtypes.ts';

/** Which elements of a flat storage a tensor shows; everything counts elements. */
export interface View {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Elements from the first of a view to its last. */
export function span({ shape, strides }: View): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, 1);
}

/** Row-major without gaps: the stored order is the wanted one. */
export function isContiguous({ shape, strides }: View): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return shape.includes(0);
    expected *= shape[axis]!;
  }
  return true;
}

/** The elements of a view in row-major order, out of those from its first to its last. */
export function gather(stored: Numbers, { shape, strides }: View): Float64Array<ArrayBuffer> {
  const values = new Float64Array(elementCount(shape));
  const position = shape.map(() => 0);
  let from = 0;
  for (let index = 0; index < values.length; index++) {
    values[index] = stored[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      position[axis]!++;
      if (position[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      position[axis] = 0;
    }
  }
  return values;
}
