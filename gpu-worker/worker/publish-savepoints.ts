import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { AppError } from '../../shared/error.ts';
import { checkpointKey, type Job } from '../../shared/job.ts';
import type { Log } from '../../shared/log.ts';
import type { ObjectStore, StateStore } from '../../shared/ports.ts';
import { isUnavailable } from '../../shared/store-error.ts';
import type { SavepointFile } from '../restore/savepoint.ts';

interface PublishOptions {
  job: Job;
  state: StateStore;
  objects: ObjectStore;
  log: Log;
  /** From one to the next, at least; a worker that is killed loses so much. */
  everyMilliseconds: number;
}

/**
 * Puts a savepoint of the attempt into the store now and then, beside its work, tells the job, and erases the one
 * before. A savepoint that fails is left out.
 */
export function publishSavepoints({ job, state, objects, log, everyMilliseconds }: PublishOptions) {
  let known = job.checkpoint?.key;
  let number = 0;
  let latest: SavepointFile | undefined;
  let begun = performance.now();
  let publishing: Promise<void> | undefined;

  async function publishLatest(): Promise<void> {
    if (!latest) return;
    const { path, step } = latest;
    latest = undefined;
    begun = performance.now();
    try {
      const key = checkpointKey(job, job.attempt, ++number);
      await objects.delete(key);
      await objects.put(key, Readable.toWeb(createReadStream(path)), { contentType: 'application/octet-stream' });
      await tell(key, step);
      if (known) await objects.delete(known);
      known = key;
      await rm(path);
    } catch (error) {
      log.warn('checkpoint.failed', { error });
    }
  }

  async function tell(key: string, step: number): Promise<void> {
    try {
      await state.updateJob(job.id, { type: 'checkpoint', attempt: job.attempt, checkpoint: { key, step } });
    } catch (error) {
      // The job is another's by now, and perhaps erased. After any other error it may know the key all the same.
      if (error instanceof AppError && !isUnavailable(error)) await objects.delete(key);
      throw error;
    }
  }

  return {
    publish(file: SavepointFile): void {
      if (latest) void rm(latest.path, { force: true });
      latest = file;
      if (performance.now() - begun < everyMilliseconds) return;
      publishing ??= publishLatest().finally(() => {
        publishing = undefined;
      });
    },
    /** `keep`: the job will go on elsewhere, so that the latest one counts. Never rejects. */
    async end({ keep }: { keep: boolean }): Promise<void> {
      await publishing;
      if (keep) await publishLatest();
    },
  };
}
