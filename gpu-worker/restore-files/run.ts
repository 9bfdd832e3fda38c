import type { FoundPhotos } from './find-photos.ts';
import type { Task } from './plan.ts';
import { startProgressLine } from './progress-line.ts';
import { createReport } from './report.ts';
import { restoreTask, type TaskOptions } from './restore-task.ts';
import { NOBODY_READS } from './stop.ts';

interface RunOptions extends Omit<TaskOptions, 'sacred' | 'onProgress'> {
  json: boolean;
  /** Standard output is for the picture. */
  picture: boolean;
}

/**
 * Restores one photo after the other and tells of each; one that fails ends nothing. Ends early when the signal says so.
 * Returns how many have failed.
 */
export async function runTasks(
  tasks: readonly Task[],
  { photos, refused, leftOut }: FoundPhotos,
  { json, picture, ...options }: RunOptions,
): Promise<number> {
  const { signal } = options;
  const bytes = tasks.reduce((total, { photo }) => total + photo.bytes, 0);
  const line = startProgressLine(tasks.length, bytes);
  const report = createReport({ json, picture, line });
  const sacred = new Set(photos.map(({ identity }) => identity));
  for (const { shown, error } of refused) report.failed(shown, error);
  let done = 0;
  for (const task of tasks) {
    if (signal.aborted) break;
    line.begin(task.photo.shown, task.photo.bytes);
    try {
      const result = await restoreTask(task, { ...options, sacred, onProgress: line.update });
      line.end(result !== undefined);
      if (result) report.restored(task, result);
      else report.skipped(task);
    } catch (error) {
      if (signal.aborted) break;
      line.end(true);
      report.failed(task.photo.shown, error, task);
    }
    done++;
  }
  line.stop();
  return signal.reason === NOBODY_READS ? 0 : report.end(leftOut, tasks.length - done);
}
