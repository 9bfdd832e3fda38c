import { fork } from 'node:child_process';
import type { Engine } from '../../gpu-worker/engine.ts';
import { createSqliteJobQueue } from '../../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { MAX_RECEIVES, VISIBILITY_SECONDS } from '../../shared/limits.ts';
import type { JobQueue, StateStore } from '../../shared/ports.ts';
import type { Workshop } from './workshop.ts';

interface Interrupted {
  /** As the killed worker has left it. */
  job: Job;
  /** The stores of a time at which lease and visibility are over. */
  later: { state: StateStore; queue: JobQueue };
}

/** A worker process takes the job, and is killed when it is time to; a job that has ended before is no interrupted one. */
export async function killWorker(
  workshop: Workshop,
  id: string,
  modelsDirectory: string,
  isTime: (job: Job) => boolean,
): Promise<Interrupted> {
  const script = new URL('./worker-process.ts', import.meta.url);
  const worker = fork(script, [workshop.directory, modelsDirectory], { execArgv: [] });
  const exited = new Promise((resolve) => worker.once('exit', resolve));
  await workshop.until(id, (job) => isTerminal(job) || isTime(job));
  worker.kill('SIGKILL');
  await exited;
  const job = (await workshop.state.getJob(id))!;
  if (isTerminal(job)) throw new Error(`The job is ${job.status} before its worker is killed.`);
  const now = () => Date.now() + (VISIBILITY_SECONDS + 1) * 1000;
  const { database } = workshop;
  const queue = createSqliteJobQueue(database, { name: 'jobs', now, maxReceives: MAX_RECEIVES, deadLetters: 'dead' });
  return { job, later: { state: createSqliteStateStore(database, { now }), queue } };
}

/** Notes which steps the engine begins. */
export function counting(engine: Engine): Engine & { steps: Set<number> } {
  const steps = new Set<number>();
  return {
    ...engine,
    steps,
    restore: (request, options) =>
      engine.restore(request, {
        ...options,
        onProgress(progress) {
          if (progress.stage === 'denoise') steps.add(progress.step!);
          options.onProgress(progress);
        },
      }),
  };
}

interface Resumed {
  /** At its end. */
  job: Job;
  /** The last step of which a savepoint was stored before the kill, and the first one that was begun after it. */
  kept: number;
  first: number;
}

/** A worker process is killed once a savepoint of a submitted job is there; another worker ends the job. */
export async function endAfterKill(
  workshop: Workshop,
  id: string,
  modelsDirectory: string,
  { step = 2 } = {},
): Promise<Resumed> {
  const isTime = ({ checkpoint }: Job) => (checkpoint?.step ?? 0) >= step;
  const { job: interrupted, later } = await killWorker(workshop, id, modelsDirectory, isTime);
  const { key, step: kept } = interrupted.checkpoint!;
  if (!(await workshop.objects.head(key))) throw new Error(`The savepoint ${key} is not there.`);
  const engine = counting(workshop.engine);
  workshop.startWorker(engine, later);
  const job = await workshop.until(id, isTerminal);
  return { job, kept, first: Math.min(...engine.steps) };
}
