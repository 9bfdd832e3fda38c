import { open } from 'node:fs/promises';
import type { FemasrSizes } from '../../gpu-worker/methods/femasr/config.ts';
import { femasrGraph } from '../../gpu-worker/methods/femasr/graph.ts';
import { elementCount } from '../../gpu-worker/tensor/tensor.ts';

export const PUBLISHED_SIZES: FemasrSizes = {
  channels: [256, 256, 128, 64],
  groups: 32,
  codes: 1024,
  codeSize: 512,
  swin: { groups: 4, blocks: 6, heads: 8, window: 8 },
};

/** A safetensors file of the published sizes: 34 million numbers of about the size of trained ones, tensor by tensor. */
export async function writeRandomFemasr(path: string): Promise<void> {
  const weights = [...femasrGraph(PUBLISHED_SIZES).weights];
  let end = 0;
  const entries = weights.map(([name, shape]) => {
    const start = end;
    end += 4 * elementCount(shape);
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await using file = await open(path, 'w');
  await file.writeFile(Buffer.concat([length, header]));
  for (const [name, shape] of weights) {
    const isScale = shape.length === 1 && name.includes('norm') && name.endsWith('weight');
    const size = 1 / Math.sqrt(elementCount(shape.slice(1)));
    const values = Float32Array.from({ length: elementCount(shape) }, (_, index) => {
      return isScale ? 1 : size * (((7919 * index + name.length) % 2003) / 1001 - 1);
    });
    await file.writeFile(new Uint8Array(values.buffer));
  }
}
