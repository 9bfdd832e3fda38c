import type { BigIntStats, Dirent } from 'node:fs';

/** The same for all names of one file: links, other cases of letters, other ways through the folders. */
export function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** The kind of a file that is not regular, in words. */
export function kindOf(stats: Pick<Dirent, 'isDirectory' | 'isFIFO' | 'isSocket'>): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}
