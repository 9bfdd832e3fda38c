import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../../shared/error.ts';
import type { TaggerConfig } from '../../weights/diffusers-configs.ts';
import { verifiedPath } from '../../weights/manifest.ts';
import type { SeesrConfig } from './config.ts';

type Tags = SeesrConfig['tags'];

const DIRECTORY = fileURLToPath(new URL('./weights', import.meta.url));

/** Those in the configuration of a tagger, else those of the published RAM. Throws AppError `engine-failed`. */
export async function readTags({ tags, thresholds }: TaggerConfig): Promise<Tags> {
  if (!tags) return await readRamTags();
  if (thresholds?.length !== tags.length) {
    throw new AppError('engine-failed', `There are ${tags.length} tags and ${thresholds?.length ?? 0} thresholds.`);
  }
  return tags.map((name, index) => ({ name, threshold: thresholds[index]! }));
}

/**
 * The words that the published RAM tells apart, in the order of its logits, and above which score each of them holds
 * (Zhang et al. 2023). Throws AppError `engine-failed` for damaged lists.
 */
async function readRamTags(): Promise<Tags> {
  const names = await readLines('ram_tag_list.txt');
  const thresholds = await readLines('ram_tag_list_threshold.txt');
  if (names.length !== thresholds.length) {
    throw new AppError('engine-failed', `${DIRECTORY} has ${names.length} tags and ${thresholds.length} thresholds.`);
  }
  return names.map((name, index) => ({ name, threshold: Number(thresholds[index]) }));
}

async function readLines(file: string): Promise<string[]> {
  return (await readFile(await verifiedPath(DIRECTORY, file), 'utf8')).trimEnd().split('\n');
}
