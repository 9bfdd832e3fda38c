import { elementCount, type Tensor } from '../gpu-worker/tensor/tensor.ts';

const BYTES = 4;
/** The data begin at a multiple of it, as in files of the format's own library. */
const ALIGNMENT_BYTES = 8;

/**
 * The bytes of a safetensors file of fp32 tensors (github.com/huggingface/safetensors, README, "Format"), part by part: one tensor
 * is in memory at a time. `read` gives the numbers of a name.
 */
export async function* safetensorsParts(
  shapes: ReadonlyMap<string, readonly number[]>,
  read: (name: string) => Float32Array | Promise<Float32Array>,
): AsyncGenerator<Uint8Array> {
  let end = 0;
  const entries = [...shapes].map(([name, shape]) => {
    const start = end;
    end += BYTES * elementCount(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }] as const;
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Buffer.alloc(Math.ceil(json.length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES, ' ');
  json.copy(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  yield length;
  yield header;
  for (const name of shapes.keys()) {
    const data = await read(name);
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}

/** The same of tensors in memory. */
export function tensorParts(tensors: ReadonlyMap<string, Tensor>): AsyncGenerator<Uint8Array> {
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  return safetensorsParts(shapes, (name) => tensors.get(name)!.data);
}
