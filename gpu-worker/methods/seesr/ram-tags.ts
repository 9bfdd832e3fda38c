import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../../shared/error.ts';
import { verifiedPath } from '../../weights/manifest.ts';

const DIRECTORY = fileURLToPath(new URL('./weights', import.meta.url));

/**
 * The words that the published RAM tells apart, in the order of its logits, and above which score each of them holds
 * (Zhang et al. 2023). Throws AppError `engine-failed` for damaged lists.
 */
export async function readRamTags(): Promise<{ name: string; threshold: number }[]> {
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
