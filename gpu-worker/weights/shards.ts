import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import type { BinaryFile } from './binary-file.ts';
import type { Checkpoint } from './checkpoint.ts';
import { routed } from './combine.ts';
import { parseJsonObject } from './strict-json.ts';

const MAX_INDEX_BYTES = 2 ** 24;
/** Of the rules that it breaks, which may be as many as it has tensors. */
const MAX_MESSAGE_CHARACTERS = 1_000;

/** Shards lie beside their index: a plain name, no way out of the folder. */
const fileName = z
  .string()
  .regex(/^[^/\\\0]+$/)
  .refine((name) => name !== '.' && name !== '..', 'not the name of a file');
const indexSchema = z.object({ weight_map: z.record(z.string(), fileName) });

/**
 * Joins the files that an index (`*.index.json`: `weight_map` from tensor to file) names. Every tensor must be in the
 * file that the index says, and nowhere else. Throws AppError `engine-failed`.
 */
export async function openShards(
  index: BinaryFile,
  openShard: (path: string) => Promise<Checkpoint>,
): Promise<Checkpoint> {
  const weightMap = await readWeightMap(index);
  const shards = new Map<string, Checkpoint>();
  try {
    for (const shardName of new Set(weightMap.values())) {
      const shard = await openShard(join(dirname(index.path), shardName));
      shards.set(shardName, shard);
      for (const name of shard.tensors.keys()) {
        if (weightMap.get(name) !== shardName) {
          throw broken(
            index.path,
            `${shardName} holds ${name}, which should be in ${weightMap.get(name) ?? 'no file'}`,
          );
        }
      }
    }
    for (const [name, shardName] of weightMap) {
      if (!shards.get(shardName)!.tensors.has(name)) throw broken(index.path, `${shardName} does not hold ${name}`);
    }
    const routes = new Map([...weightMap].map(([name, shardName]) => [name, { from: shards.get(shardName)!, name }]));
    const joined = routed(routes, [...shards.values()]);
    return { ...joined, files: [index.path, ...joined.files] };
  } catch (error) {
    for (const shard of shards.values()) await shard[Symbol.asyncDispose]();
    throw error;
  }
}

async function readWeightMap(index: BinaryFile): Promise<Map<string, string>> {
  if (index.bytes > MAX_INDEX_BYTES) throw broken(index.path, `it has ${index.bytes} bytes`);
  let json: Record<string, unknown>;
  try {
    json = parseJsonObject(await index.read(0, index.bytes));
  } catch (error) {
    throw broken(index.path, (error as Error).message);
  }
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) throw broken(index.path, z.prettifyError(parsed.error).slice(0, MAX_MESSAGE_CHARACTERS));
  return new Map(Object.entries(parsed.data.weight_map));
}

function broken(path: string, reason: string): AppError {
  return new AppError('engine-failed', `${path} is not a valid index of weight files: ${reason}.`);
}
