import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';
import type { Checkpoint } from '../../gpu-worker/weights/checkpoint.ts';

const fileSchema = z.object({
  seed: z.string(),
  tensors: z.array(z.tuple([z.string(), z.array(z.int().nonnegative()), z.number(), z.number()])),
});

/** A checkpoint of the published size whose weights follow from a formula; README.md of the recorded sets has it. */
export async function openFormulaWeights(path: string): Promise<Checkpoint> {
  const { seed, tensors } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  const facts = new Map(tensors.map(([name, shape, mean, spread]) => [name, { shape, mean, spread }]));
  const read = async (name: string) => {
    const { shape, mean, spread } = facts.get(name)!;
    return formulaValues(`${seed}:${name}`, elementCount(shape), mean, spread);
  };
  return {
    tensors: new Map([...facts].map(([name, { shape }]) => [name, { shape, dtype: 'F32' }])),
    files: [path],
    read,
    readValues: async (name) => Float64Array.from(await read(name)),
    async [Symbol.asyncDispose]() {},
  };
}

/** `count` numbers from `mean` − `spread` to `mean` + `spread`. */
export function formulaValues(text: string, count: number, mean: number, spread: number): Float32Array<ArrayBuffer> {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return Float32Array.from({ length: count }, (_, index) => {
    let x = (hash + Math.imul(index + 1, 0x9e3779b9)) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    x ^= x >>> 15;
    return mean + spread * ((x >>> 8) / 2 ** 23 - 1);
  });
}
