import { join } from 'node:path';
import type { LivePreview } from '../../shared/job.ts';
import type { Pixels } from '../images/image.ts';
import { writeLivePreview } from '../images/live-preview.ts';
import type { Show } from './restorer.ts';

/** A live preview that has been written. */
export type LivePreviewFile = Omit<LivePreview, 'number'> & { path: string };

/** From one picture to the next, at least. */
const INTERVAL_MILLISECONDS = 2_000;

/**
 * Small pictures of the work so far, as files in `directory`, made beside the work: nothing waits for them, and one
 * that fails is left out. `end` waits for the one that is being written. `alpha`: of the photo.
 */
export function createLivePreviews(directory: string, onPreview: (file: LivePreviewFile) => void, alpha?: Pixels) {
  let count = 0;
  let begun = Number.NEGATIVE_INFINITY;
  let writing: Promise<void> | undefined;

  async function write(draw: () => Pixels | Promise<Pixels>, step: number | undefined): Promise<void> {
    try {
      const path = join(directory, `live-${++count}.jpg`);
      const size = await writeLivePreview(path, await draw(), alpha);
      onPreview({ path, ...size, ...(step !== undefined && { step }) });
    } catch {
      // The next may fare better, and the job does not depend on any.
    } finally {
      writing = undefined;
    }
  }

  const show: Show = (draw, step) => {
    if (writing || performance.now() - begun < INTERVAL_MILLISECONDS) return;
    begun = performance.now();
    writing = write(draw, step);
  };
  return { show, end: async () => writing };
}
