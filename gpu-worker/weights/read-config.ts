import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';

/** A file of JSON: sizes and facts that tensors do not tell. Throws AppError `engine-failed`, which names the file. */
export async function readConfig<Content>(path: string, schema: z.ZodType<Content>): Promise<Content> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new AppError('engine-failed', `${path} cannot be read: ${reason}`, { cause });
  }
}
