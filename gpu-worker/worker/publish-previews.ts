import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { eraseLivePreviews } from '../../shared/erasure.ts';
import { type Job, type LivePreview, livePreviewKey } from '../../shared/job.ts';
import type { Log } from '../../shared/log.ts';
import type { ObjectStore } from '../../shared/ports.ts';
import type { LivePreviewFile } from '../restore/live-preview.ts';

interface PublishOptions {
  job: Job;
  objects: ObjectStore;
  log: Log;
  /** The picture is in the store. */
  onPublished: (preview: LivePreview) => void;
}

/**
 * Puts the live previews of an attempt into the store, beside its work: one that comes while another is on its way
 * waits, and gives way to a newer one. A preview that fails is left out. `end` erases them all.
 */
export function publishPreviews({ job, objects, log, onPublished }: PublishOptions) {
  let number = 0;
  let waiting: LivePreviewFile | undefined;
  let publishing: Promise<void> | undefined;

  async function publishWaiting(): Promise<void> {
    while (waiting) {
      const { path, ...picture } = waiting;
      waiting = undefined;
      const key = livePreviewKey(job, job.attempt, ++number);
      await objects.delete(key);
      await objects.put(key, Readable.toWeb(createReadStream(path)), { contentType: 'image/jpeg' });
      onPublished({ number, ...picture });
      await rm(path);
    }
  }

  const orLog = (work: Promise<void>) => work.catch((error: unknown) => log.warn('preview.failed', { error }));

  return {
    publish(file: LivePreviewFile): void {
      waiting = file;
      publishing ??= orLog(publishWaiting()).finally(() => {
        publishing = undefined;
      });
    },
    /** Never rejects. */
    async end(): Promise<void> {
      waiting = undefined;
      await publishing;
      await orLog(eraseLivePreviews(objects, job, job.attempt));
    },
  };
}
