import { open } from 'node:fs/promises';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';

/** A safetensors file of random numbers, the same each time, written tensor by tensor; by default as large as trained ones. */
export async function writeRandomTensors(
  path: string,
  shapes: Iterable<readonly [string, readonly number[]]>,
  valuesOf = trainedSize,
): Promise<void> {
  const tensors = [...shapes];
  let end = 0;
  const entries = tensors.map(([name, shape]) => {
    const start = end;
    end += 4 * elementCount(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await using file = await open(path, 'w');
  await file.writeFile(Buffer.concat([length, header]));
  for (const [name, shape] of tensors) await file.writeFile(new Uint8Array(valuesOf(name, shape).buffer));
}

function trainedSize(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const values = new Float32Array(elementCount(shape));
  // The factor of a norm, and the variance that it was trained with.
  if (shape.length === 1 && /(weight|running_var)$/.test(name)) return values.fill(1);
  const size = 1 / Math.sqrt(elementCount(shape.slice(1)));
  for (let index = 0; index < values.length; index++) {
    values[index] = size * (((7919 * index + name.length) % 2003) / 1001 - 1);
  }
  return values;
}
