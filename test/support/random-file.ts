import { open } from 'node:fs/promises';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import { randomTensor } from './random-seesr.ts';

/** A safetensors file of tensors by name and shape, with numbers that are made up; one is held at a time. */
export async function writeRandomFile(path: string, shapes: ReadonlyMap<string, readonly number[]>): Promise<void> {
  let end = 0;
  const entries = [...shapes].map(([name, shape]) => {
    const start = end;
    end += 4 * elementCount(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await using file = await open(path, 'w');
  await file.writeFile(Buffer.concat([length, header]));
  for (const [name, shape] of shapes) await file.writeFile(new Uint8Array(randomTensor(name, shape).buffer));
}
