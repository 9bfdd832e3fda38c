import { z } from 'zod';
import { AppError } from '../../../shared/error.ts';
import { readConfig } from '../../weights/read-config.ts';
import { flavorSchema } from '../config-schemas.ts';

const sizesSchema = z.object({
  /** At half the photo's resolution, at its own, at twice and four times that. */
  channels: z.tuple([z.int(), z.int(), z.int(), z.int()]),
  /** Of channels, in the norms. */
  groups: z.int(),
  codes: z.int(),
  codeSize: z.int(),
  /** Groups of so many blocks. `window`: positions a side. */
  swin: z.object({ groups: z.int(), blocks: z.int(), heads: z.int(), window: z.int() }),
});
/** Of the network; all but `groups` can be told by its tensors. */
export type FemasrSizes = z.infer<typeof sizesSchema>;

const configSchema = z.object({ sizes: sizesSchema, flavor: flavorSchema });
export type FemasrConfig = z.infer<typeof configSchema>;

/** The published network has so many; its file does not tell. */
const PUBLISHED_GROUPS = 32;

/** What recorded sets say about a file, by its name: more than this. */
const groupsSchema = z.record(z.string(), z.object({ norm_groups: z.int().positive() }));

/**
 * Groups of the norms of the checkpoint `name`, by a file of sizes where it is not the published one. Throws AppError
 * `engine-failed`.
 */
export async function readGroups(name: string, path: string | undefined): Promise<number> {
  if (path === undefined) return PUBLISHED_GROUPS;
  const recorded = await readConfig(path, groupsSchema);
  const found = recorded[name];
  if (!found) throw new AppError('engine-failed', `${path} says nothing about ${name}.`);
  return found.norm_groups;
}

/** Throws AppError `engine-failed`. */
export function readFemasrConfig(path: string): Promise<FemasrConfig> {
  return readConfig(path, configSchema);
}
