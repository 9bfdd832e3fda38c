import { fork } from 'node:child_process';
import type { Engine } from '../../gpu-worker/engine.ts';
import { createSqliteJobQueue } from '../../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { MAX_RECEIVES, VISIBILITY_SECONDS } from '../../shared/limits.ts';
import type { Workshop } from './workshop.ts';

interface Resumed {
  /** At its end. */
  job: Job;
  /** The last step of which a savepoint was stored before the kill, and the first one that was told of after it. */
  kept: number;
  first: number;
}

/** A worker process is killed once a savepoint of a submitted job is there; another worker ends the job. */
export async function endAfterKill(workshop: Workshop, id: string, modelsDirectory: string): Promise<Resumed> {
  const script = new URL('./worker-process.ts', import.meta.url);
  const worker = fork(script, [workshop.directory, modelsDirectory], { execArgv: [] });
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  const { checkpoint } = await workshop.until(id, (job) => (job.checkpoint?.step ?? 0) >= 2);
  worker.kill('SIGKILL');
  await exited;
  // Lease and visibility are over.
  const now = () => Date.now() + (VISIBILITY_SECONDS + 1) * 1000;
  const { database } = workshop;
  const queue = createSqliteJobQueue(database, { name: 'jobs', now, maxReceives: MAX_RECEIVES, deadLetters: 'dead' });
  const seen: number[] = [];
  const watched: Engine = {
    ...workshop.engine,
    restore: (request, options) =>
      workshop.engine.restore(request, {
        ...options,
        onProgress(progress) {
          if (progress.step) seen.push(progress.step);
          options.onProgress(progress);
        },
      }),
  };
  workshop.startWorker(watched, { state: createSqliteStateStore(database, { now }), queue });
  const job = await workshop.until(id, isTerminal);
  return { job, kept: checkpoint!.step, first: Math.min(...seen) };
}
