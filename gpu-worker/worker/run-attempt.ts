import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { atMost, within } from '../../shared/deadline.ts';
import { AppError } from '../../shared/error.ts';
import type { Health } from '../../shared/health.ts';
import { type Job, type JobEvent, NOTHING_SEEN, type Progress, screenCopiesOf } from '../../shared/job.ts';
import { type Limits, STALL_SECONDS } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import { methodOf } from '../../shared/methods/registry.ts';
import type { JobQueue, ObjectStore, QueueMessage, StateStore } from '../../shared/ports.ts';
import { createRemoval } from '../../shared/removal.ts';
import type { Engine } from '../engine.ts';
import { isTrouble } from './conclude.ts';
import { checkPhoto, download, fetchSavepoint } from './fetch-photo.ts';
import { type Outwait, type OutwaitOptions, outwaitTrouble } from './outwait-trouble.ts';
import { publishPreviews } from './publish-previews.ts';
import { publish, publishHeatmap, publishScreenCopies, succeed } from './publish-result.ts';
import { publishSavepoints } from './publish-savepoints.ts';
import { startPulse } from './pulse.ts';
import { recordPace } from './record-pace.ts';
import { createStageTimes } from './stage-times.ts';

export interface AttemptOptions {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  engine: Engine;
  limits: Limits;
  /** A folder for files that live as long as an attempt. */
  scratchDirectory: string;
  log: Log;
  health: Health;
  /** How often progress is published and the cancel flag read. */
  pulseMilliseconds?: number;
  /** How often a savepoint of a diffusion model is put into the store, at most. */
  savepointMilliseconds?: number;
}

const PULSE_MILLISECONDS = 500;
const SAVEPOINT_MILLISECONDS = 20_000;
/** Of the machine itself, beside an inference process that keeps it busy. */
const SCRATCH_MILLISECONDS = 60_000;
/** Between jobs, and at a drain. */
const LEFT_MILLISECONDS = 1_000;
const DOWNLOAD_MILLISECONDS = STALL_SECONDS * 1000;

const remove = createRemoval(rm);

interface RunningAttempt {
  stop: AbortController;
  waiting: Omit<OutwaitOptions, 'signal'>;
  /** Is told the size that there has to be room for. */
  result: { bytes: number };
}

/** Resolves with the finished job. Every error leaves it to `conclude`. */
export async function runAttempt(
  job: Job,
  message: QueueMessage,
  options: AttemptOptions,
  { stop, waiting, result: wanted }: RunningAttempt,
): Promise<Job> {
  const { state, objects, queue, engine, limits, scratchDirectory, log, health, pulseMilliseconds } = options;
  const { parameters } = job;
  const started = performance.now();
  const scratch = await within(SCRATCH_MILLISECONDS, 'scratch folder', makeFolder(scratchDirectory));
  const pulse = startPulse({
    job,
    receipt: message.receipt,
    state,
    queue,
    stop,
    every: pulseMilliseconds ?? PULSE_MILLISECONDS,
  });
  const hold = () => {
    pulse.waits();
    health.live();
    return waiting.hold?.() ?? Promise.resolve();
  };
  const outwait: Outwait = (work) => outwaitTrouble(work, { ...waiting, hold, signal: stop.signal });
  /** The result of the engine is offered until it is taken, through every request to stop. */
  const insist: Outwait = (work) => outwaitTrouble(work, { ...waiting, signal: new AbortController().signal });
  const previews = publishPreviews({ job, objects, log, onPublished: pulse.show });
  const everyMilliseconds = options.savepointMilliseconds ?? SAVEPOINT_MILLISECONDS;
  const savepoints = publishSavepoints({ job, state, objects, log, everyMilliseconds });
  const times = createStageTimes();
  let goesOn = false;
  try {
    pulse.report({ stage: 'download', percent: 0 });
    const inputPath = join(scratch, 'input');
    const outputPath = join(scratch, 'output');
    const heatmapPath = join(scratch, 'heatmap');
    const copyPaths = { photo_webp: join(scratch, 'photo.webp'), output_webp: join(scratch, 'output.webp') };
    await outwait(() => within(DOWNLOAD_MILLISECONDS, 'storage', download(objects, job.input_key, inputPath)));
    await checkPhoto(job, inputPath, limits);
    const savepointPath = await outwait(() => fetchSavepoint(job, join(scratch, 'savepoint'), { objects, log }));
    const onProgress = (progress: Progress) => {
      health.live();
      times.report(progress);
      pulse.report(progress);
    };
    if (job.task === 'tags') {
      const options = { onProgress, signal: stop.signal, log };
      // Of test keys, for which no network runs.
      const description = job.test ? NOTHING_SEEN : await engine.describe({ inputPath, parameters, limits }, options);
      await pulse.end();
      const succeeded: JobEvent = { type: 'succeed', attempt: job.attempt, notes: [], description };
      return await insist(() => state.updateJob(job.id, succeeded));
    }
    const result = await engine.restore(
      {
        inputPath,
        outputPath,
        heatmapPath,
        copyPaths: Object.fromEntries(screenCopiesOf(job).map((name) => [name, copyPaths[name]])),
        ...(job.live_previews && { previewDirectory: scratch }),
        ...(methodOf(parameters).isResumable && { savepointDirectory: scratch, savepointPath }),
        parameters,
        limits,
        test: job.test === true,
      },
      { onProgress, onPreview: previews.publish, onSavepoint: savepoints.publish, signal: stop.signal, log },
    );
    const { seconds: stageSeconds, resumedStep } = result;
    log.info('attempt.restored', { model: parameters.model, seconds: stageSeconds, resumedStep, stages: times.list() });
    const beside = [result.heatmap, result.photo_webp, result.output_webp];
    wanted.bytes = beside.reduce((sum, file) => sum + (file?.bytes ?? 0), result.bytes);
    pulse.report({ stage: 'upload', percent: 99 });
    const puts = [
      outwait(() => publish(objects, job, result, outputPath)),
      outwait(() => publishHeatmap(objects, job, result, heatmapPath)),
      publishScreenCopies(objects, job, result, { paths: copyPaths, outwait }),
    ] as const;
    await Promise.allSettled(puts); // where one fails, objects of the other must not come after all has been erased
    const [output, heatmap, copies] = await Promise.all(puts);
    await pulse.end();
    const published = { output, ...(heatmap && { heatmap }), ...copies };
    const done = await succeed(job, published, result, { state, objects, log, outwait: insist });
    const seconds = (performance.now() - started) / 1000;
    // Half a job says nothing about whole ones.
    if (resumedStep === undefined) await recordPace(job, { seconds, loadSeconds: result.loadSeconds }, { state, log });
    return done;
  } catch (error) {
    goesOn = error === 'drain' || isTrouble(error) || (error instanceof AppError && error.code === 'engine-failed');
    throw error;
  } finally {
    await pulse.end();
    await savepoints.end({ keep: goesOn });
    if (job.live_previews) await previews.end();
    await atMost(SCRATCH_MILLISECONDS, remove(scratch));
  }
}

/** Photos and results whose folders could not be removed with their attempts: nobody's shall lie there until the next job. */
export async function removeLeftFolders(): Promise<void> {
  await atMost(LEFT_MILLISECONDS, remove());
}

/** Of an attempt. Programs that tidy up may have taken away the one that it is in. */
async function makeFolder(scratchDirectory: string): Promise<string> {
  await mkdir(scratchDirectory, { recursive: true });
  return await mkdtemp(join(scratchDirectory, 'attempt-'));
}
