import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { eraseOutputs } from '../shared/erasure.ts';
import { AppError } from '../shared/error.ts';
import { readImageHeader } from '../shared/image-format.ts';
import type { Description, Job, JobEvent, Progress } from '../shared/job.ts';
import { type Limits, MAX_RECEIVES, VISIBILITY_SECONDS } from '../shared/limits.ts';
import { type Log, withFields } from '../shared/log.ts';
import { isDiffusionModel } from '../shared/models.ts';
import type { JobQueue, ObjectStore, QueueMessage, StateStore } from '../shared/ports.ts';
import { isStorageFull, type StorageRoom } from '../shared/storage-room.ts';
import { asStoreError } from '../shared/store-error.ts';
import { awaitRoom } from './await-room.ts';
import type { Engine } from './engine.ts';
import { outwaitTrouble } from './outwait-trouble.ts';
import { publishCheckpoints } from './publish-checkpoints.ts';
import { publishPreviews } from './publish-previews.ts';
import { publish, publishHeatmap, succeed } from './publish-result.ts';
import { type Stop, startPulse } from './pulse.ts';
import { recordPace } from './record-pace.ts';
import { createStageTimes } from './stage-times.ts';

export interface WorkerOptions {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  engine: Engine;
  limits: Limits;
  /** An existing folder for files that live as long as an attempt. */
  scratchDirectory: string;
  /** Where that folder and the results are. Default: as much as there is need for. */
  room?: StorageRoom;
  log: Log;
  /** How often progress is published and the cancel flag read. */
  pulseMilliseconds?: number;
  /** How often a checkpoint of a diffusion model is put into the store, at most. */
  checkpointMilliseconds?: number;
  /** Runs the work on a message. */
  around?: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

const RECEIVE_WAIT_SECONDS = 20;
const PULSE_MILLISECONDS = 500;
const CHECKPOINT_MILLISECONDS = 20_000;
/** After a storage error: the next message may fare no better, so do not spin. */
const PAUSE_MILLISECONDS = 1_000;

/** Of test keys, for which no network runs. */
const NOTHING_SEEN: Description = { prompt: '', truncated: false, tags: [] };

/**
 * One job at a time, until `drain` is aborted: then the running job is given back and the call returns.
 * Nothing that a job or a store does makes it throw.
 */
export async function runWorker(options: WorkerOptions, drain: AbortSignal): Promise<void> {
  const { queue, log, around = (work) => work() } = options;
  let wasFull = false;
  while (!drain.aborted) {
    await awaitRoom(options, wasFull, drain);
    try {
      const message = await queue.receive({
        visibilitySeconds: VISIBILITY_SECONDS,
        waitSeconds: RECEIVE_WAIT_SECONDS,
        signal: drain,
      });
      wasFull = message !== null && isStorageFull(await around(() => handle(message, options, drain)));
    } catch (thrown) {
      const error = asStoreError(thrown);
      wasFull = isStorageFull(error);
      log.error('worker.store-failed', { error }); // the message comes again when its visibility ends
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
    }
  }
}

/** Returns what kept the attempt from its end, if anything. */
async function handle(message: QueueMessage, options: WorkerOptions, drain: AbortSignal): Promise<unknown> {
  const { queue } = options;
  const job = await claim(message, options);
  if (!job) return undefined;
  const log = withFields(options.log, { job: job.id, attempt: job.attempt, account: job.account, ...job.trace });
  log.info('attempt.started');
  const stop = new AbortController();
  const onDrain = () => stop.abort('drain' satisfies Stop);
  drain.addEventListener('abort', onDrain, { once: true });
  if (drain.aborted) onDrain();
  try {
    const done = await runAttempt(job, message, { ...options, log }, stop);
    log.info('attempt.ended', { status: done.status });
    await queue.delete(message.receipt);
    return undefined;
  } catch (thrown) {
    const error = asStoreError(thrown);
    log.warn('attempt.failed', { error });
    await conclude(job, message, error, options);
    return error;
  } finally {
    drain.removeEventListener('abort', onDrain);
  }
}

/** The job as a new attempt of ours; undefined when there is nothing to do for this message. */
async function claim(message: QueueMessage, { state, queue }: WorkerOptions): Promise<Job | undefined> {
  try {
    const job = await state.updateJob(message.jobId, { type: 'claim' });
    if (job.status === 'starting') return job;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'lease-held') return undefined; // comes again: should that attempt die, we are there
  }
  await queue.delete(message.receipt); // finished, canceled or deleted meanwhile
  return undefined;
}

/** Resolves with the finished job. Whatever throws leaves it to `conclude`. */
async function runAttempt(
  job: Job,
  message: QueueMessage,
  options: WorkerOptions,
  stop: AbortController,
): Promise<Job> {
  const { state, objects, queue, engine, limits, scratchDirectory, log, pulseMilliseconds } = options;
  const { parameters } = job;
  const started = performance.now();
  const scratch = await mkdtemp(join(scratchDirectory, 'attempt-'));
  const pulse = startPulse({
    job,
    receipt: message.receipt,
    state,
    queue,
    stop,
    every: pulseMilliseconds ?? PULSE_MILLISECONDS,
  });
  const previews = publishPreviews({ job, objects, log, onPublished: pulse.show });
  const everyMilliseconds = options.checkpointMilliseconds ?? CHECKPOINT_MILLISECONDS;
  const checkpoints = publishCheckpoints({ job, state, objects, log, everyMilliseconds });
  let goesOn = false;
  try {
    pulse.report({ stage: 'download', percent: 0 });
    const inputPath = join(scratch, 'input');
    const outputPath = join(scratch, 'output');
    const heatmapPath = join(scratch, 'heatmap');
    await download(objects, job.input_key, inputPath);
    await checkPhoto(job, inputPath, limits);
    const checkpointPath = await fetchCheckpoint(job, join(scratch, 'checkpoint'), { objects, log });
    if (job.task === 'tags') {
      const options = { onProgress: pulse.report, signal: stop.signal, log };
      const description = job.test ? NOTHING_SEEN : await engine.describe({ inputPath, parameters, limits }, options);
      await pulse.end();
      const succeeded: JobEvent = { type: 'succeed', attempt: job.attempt, notes: [], description };
      return await outwaitTrouble(() => state.updateJob(job.id, succeeded));
    }
    const times = createStageTimes();
    const onProgress = (progress: Progress) => {
      times.report(progress);
      pulse.report(progress);
    };
    const result = await engine.restore(
      {
        inputPath,
        outputPath,
        heatmapPath,
        ...(job.live_previews && { previewDirectory: scratch }),
        ...(isDiffusionModel(parameters.model) && { checkpointDirectory: scratch, checkpointPath }),
        parameters,
        limits,
        test: job.test === true,
      },
      { onProgress, onPreview: previews.publish, onCheckpoint: checkpoints.publish, signal: stop.signal, log },
    );
    const { seconds: stageSeconds, resumedStep } = result;
    log.info('attempt.restored', { model: parameters.model, seconds: stageSeconds, resumedStep, stages: times.list() });
    pulse.report({ stage: 'upload', percent: 99 });
    const puts = [
      publish(objects, job, result, outputPath),
      publishHeatmap(objects, job, result, heatmapPath),
    ] as const;
    await Promise.allSettled(puts); // where one fails, what the other puts is not to come after all has been erased
    const [output, heatmap] = await Promise.all(puts);
    await pulse.end();
    const done = await succeed(job, { output, ...(heatmap && { heatmap }) }, result, { state, objects });
    const seconds = (performance.now() - started) / 1000;
    // Half a job says nothing about whole ones.
    if (resumedStep === undefined) await recordPace(job, { seconds, loadSeconds: result.loadSeconds }, { state, log });
    return done;
  } catch (error) {
    goesOn = error === 'drain' || (error instanceof AppError && error.code === 'engine-failed');
    throw error;
  } finally {
    await pulse.end();
    await checkpoints.end({ keep: goesOn });
    if (job.live_previews) await previews.end();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function download(objects: ObjectStore, key: string, path: string): Promise<void> {
  const object = await objects.get(key);
  if (!object) throw new AppError('gone', 'The input was deleted before the job could run.');
  await pipeline(Readable.fromWeb(object.body), createWriteStream(path));
}

/** Where an earlier attempt got, if it is known. */
async function fetchCheckpoint(
  { checkpoint }: Job,
  path: string,
  { objects, log }: Pick<WorkerOptions, 'objects' | 'log'>,
): Promise<string | undefined> {
  if (!checkpoint) return undefined;
  try {
    const object = await objects.get(checkpoint.key);
    if (!object) throw new AppError('gone', `The checkpoint ${checkpoint.key} is not there.`);
    await pipeline(Readable.fromWeb(object.body), createWriteStream(path));
    return path;
  } catch (error) {
    log.warn('attempt.starts-anew', { error });
    return undefined;
  }
}

/**
 * The price was agreed on for the size that the API has read. S3 takes a signed form as often as it is sent, so that
 * other bytes may be there by now.
 */
async function checkPhoto({ input }: Job, path: string, limits: Limits): Promise<void> {
  const { width, height } = readImageHeader(await readFile(path), limits);
  if (width === input?.width && height === input.height) return;
  const was = `${input?.width}×${input?.height}`;
  throw new AppError('conflict', `The photo was ${was} when the job was accepted, and is ${width}×${height} now.`);
}

/** What becomes of a job whose attempt did not succeed. */
async function conclude(
  job: Job,
  message: QueueMessage,
  reason: unknown,
  { state, objects, queue }: WorkerOptions,
): Promise<void> {
  const { attempt } = job;
  if (reason === 'lost' || (reason instanceof AppError && reason.code === 'lease-lost')) return; // another's job now
  const after = await outwaitTrouble(() => state.updateJob(job.id, endOf(attempt, reason)));
  await eraseOutputs(objects, after); // a part of them may be stored
  if (after.status !== 'queued') await queue.delete(message.receipt);
  else if (reason === 'drain' && message.receiveCount >= MAX_RECEIVES / 2) {
    // A drain is no fault of the job: before it gets to the dead letters, a new message takes the place of this one.
    await queue.send({ jobId: job.id, tenant: message.tenant });
    await queue.delete(message.receipt);
  } else await queue.extend(message.receipt, 0);
}

function endOf(attempt: number, reason: unknown): JobEvent {
  // A store that could not be written is no fault of the job, and counts as no failure of it.
  const isInnocent = reason instanceof AppError && reason.code === 'unavailable';
  if (reason === 'drain' || reason === 'cancel' || isInnocent) return { type: 'give_back', attempt };
  if (reason instanceof AppError && !reason.retryable) return { type: 'fail', attempt, error: reason };
  const error = reason instanceof AppError ? reason : new AppError('internal', 'Unexpected error in the worker.');
  return { type: 'give_back', attempt, error };
}
