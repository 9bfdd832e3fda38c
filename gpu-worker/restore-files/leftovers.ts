import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of no use once the program has ended, however it ends; only kill -9 leaves them behind. */
export interface Leftovers {
  add(path: string): void;
  /** Removes it now. */
  remove(path: string): void;
}

export function watchLeftovers(): Leftovers {
  const paths = new Set<string>();
  const remove = (path: string) => {
    rmSync(path, { recursive: true, force: true });
    paths.delete(path);
  };
  process.on('exit', () => {
    for (const path of paths) {
      try {
        remove(path);
      } catch {
        // The others shall go nevertheless.
      }
    }
  });
  return { add: (path) => paths.add(path), remove };
}

/** A path in a folder of this run alone, which is made when it is first needed and goes with the run. */
export type Scratch = (name: string) => string;

export function createScratch(leftovers: Leftovers): Scratch {
  let folder: string | undefined;
  return (name) => {
    if (folder === undefined) {
      folder = mkdtempSync(join(tmpdir(), 'seesr-cloud-'));
      leftovers.add(folder);
    }
    return join(folder, name);
  };
}
