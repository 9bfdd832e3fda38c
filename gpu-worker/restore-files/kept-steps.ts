import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { RestoreRequest } from '../restore/restore.ts';
import type { SavepointFile } from '../restore/savepoint.ts';

/** Of a diffusion model: where a run that ended early got, so that the next one for the same result goes on there. */
export interface KeptSteps {
  request: Pick<RestoreRequest, 'savepointDirectory' | 'savepointPath'>;
  onSavepoint(file: SavepointFile): void;
  /** After success nothing is kept. */
  close(succeeded: boolean): Promise<void>;
}

const FILE = /^savepoint-(\d+)$/;

/** In a hidden folder beside the result. The engine itself refuses a savepoint of other parameters or another photo. */
export async function openKeptSteps(resultPath: string): Promise<KeptSteps> {
  const id = createHash('sha256').update(basename(resultPath)).digest('hex').slice(0, 16);
  const directory = join(dirname(resultPath), `.seesr-cloud-${id}.steps`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const steps = (await readdir(directory)).flatMap((name) => FILE.exec(name)?.[1] ?? []);
  let newest = steps.length > 0 ? join(directory, `savepoint-${Math.max(...steps.map(Number))}`) : undefined;
  return {
    request: { savepointDirectory: directory, ...(newest && { savepointPath: newest }) },
    onSavepoint({ path }) {
      if (newest && newest !== path) rm(newest, { force: true }).catch(() => {});
      newest = path;
    },
    async close(succeeded) {
      if (succeeded) await rm(directory, { recursive: true, force: true });
      else await rmdir(directory).catch(() => {}); // unless there are steps in it
    },
  };
}
