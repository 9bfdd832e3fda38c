import { orAborted } from '../../shared/deadline.ts';
import { AppError } from '../../shared/error.ts';
import { createHealth, type Health, type Part } from '../../shared/health.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { MAX_RECEIVES, VISIBILITY_SECONDS } from '../../shared/limits.ts';
import { withFields } from '../../shared/log.ts';
import type { QueueMessage } from '../../shared/ports.ts';
import { isStorageFull, type StorageRoom } from '../../shared/storage-room.ts';
import { asStoreError, isStoreError, isUnavailable } from '../../shared/store-error.ts';
import { awaitRoom } from './await-room.ts';
import { checkEngine, faultOf } from './check-engine.ts';
import { conclude, isModelTrouble } from './conclude.ts';
import { createModelPauses, type ModelPauses, type PauseLengths } from './model-pauses.ts';
import { createTrouble, type Outwait, outwaitTrouble, PATIENCE, type Patience, STORES } from './outwait-trouble.ts';
import type { Stop } from './pulse.ts';
import { putBack } from './put-back.ts';
import { type AttemptOptions, removeLeftFolders, runAttempt } from './run-attempt.ts';

export interface WorkerOptions extends Omit<AttemptOptions, 'health'> {
  /** Where the scratch folder and the results are. Default: as much as there is need for. */
  room?: StorageRoom;
  /** Runs the work on a message. */
  around?: <Result>(work: () => Promise<Result>) => Promise<Result>;
  /** The queue has answered, with or without a message. */
  onAnswer?: () => void;
  /** Is told about faults of the machine and the stores. Default: the log alone is. */
  health?: Health;
  /** The engine, in words of `health`. */
  part?: Part;
  /** Of jobs whose model cannot be loaded. */
  pauseLengths?: PauseLengths;
  /** The same, shared by several workers. */
  pauses?: ModelPauses;
  /** With stores that do not answer, while an attempt runs. */
  patience?: Patience;
  /** The same without an attempt: then the call throws. Default: for ever. */
  idleMilliseconds?: number;
  /** The same with its engine. Default: as long. */
  engineMilliseconds?: number;
}

const RECEIVE_WAIT_SECONDS = 20;
/** After an error that nobody foresaw: the next message may fare no better, so do not spin. */
const PAUSE_MILLISECONDS = 1_000;
/** About a result of 16 megapixels as PNG. */
const PROBE_BYTES = 16 * 1024 * 1024;
/** Whether anything can be written at all. */
const SMALL_PROBE_BYTES = 4096;
/** Nobody puts anything there. */
const READINESS_KEY = 'out/readiness';

/**
 * One job at a time, until `drain` is aborted: then the running job is given back and the call returns.
 * Nothing that a job does makes it throw, and no part of the service but one that does not answer for `idleMilliseconds`.
 */
export async function runWorker(options: WorkerOptions, drain: AbortSignal): Promise<void> {
  try {
    await handleAll(options, drain);
  } finally {
    await removeLeftFolders();
  }
}

async function handleAll(given: WorkerOptions, drain: AbortSignal): Promise<void> {
  const { log, patience = PATIENCE, idleMilliseconds = Number.POSITIVE_INFINITY } = given;
  const { around = (work) => work(), onAnswer = () => {}, health = createHealth(log), part = 'engine' } = given;
  const { pauses = createModelPauses(health, given.pauseLengths), engineMilliseconds = idleMilliseconds } = given;
  const options = { ...given, patience, health, pauses, part };
  const troubleOf = (milliseconds: number) =>
    createTrouble({ health, patience: { ...patience, milliseconds }, signal: drain });
  const trouble = troubleOf(idleMilliseconds);
  const engineTrouble = troubleOf(engineMilliseconds);
  let failure: Failure | undefined;
  for (let isFirst = true; !drain.aborted; isFirst = false) {
    health.live();
    await awaitRoom(options, isStorageFull(failure?.error) ? failure.bytes : undefined, drain);
    try {
      // Each delivery of a message is counted: none is taken that could not be worked on.
      if (isFirst) await askStores(options);
      failure = failure && (await findFault(options));
      if (!failure) failure = await handleNext(options, { drain, around, onAnswer });
    } catch (error) {
      if (drain.aborted && error === drain.reason) return;
      failure = failureOf(STORES, error);
    }
    if (!failure) {
      trouble.isOver();
      engineTrouble.isOver();
    } else if (isStoreError(failure.error)) {
      await (failure.part === part ? engineTrouble : trouble).outwait(failure.part, failure.error);
    } else {
      log.error('worker.store-failed', { error: failure.error }); // the message comes again when its visibility ends
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
    }
  }
}

/** The cause that kept an attempt from its end, and is no matter of its job. */
interface Failure {
  part: Part;
  error: unknown;
  /** That there was to be room for. */
  bytes: number;
}

function failureOf(part: Part, error: unknown, bytes = PROBE_BYTES): Failure {
  return { part, error: asStoreError(error), bytes };
}

async function askStores({ state, objects }: WorkerOptions): Promise<void> {
  await Promise.all([state.getAccount('readiness'), objects.head(READINESS_KEY)]);
}

/** After a failure: the first part that is still in trouble. */
async function findFault(options: Handling): Promise<Failure | undefined> {
  const { room, engine, part } = options;
  const fault = (part: Part) => (error: unknown) => failureOf(part, error);
  return (
    (await askStores(options).catch(fault(STORES))) ??
    (await room?.probe(SMALL_PROBE_BYTES).catch(fault('storage'))) ??
    (await checkEngine(engine).catch(fault(part))) ??
    undefined
  );
}

interface Surroundings extends Pick<Required<WorkerOptions>, 'around' | 'onAnswer'> {
  drain: AbortSignal;
}

async function handleNext(options: Handling, { drain, around, onAnswer }: Surroundings): Promise<Failure | undefined> {
  await removeLeftFolders();
  const message = await options.queue.receive({
    visibilitySeconds: VISIBILITY_SECONDS,
    waitSeconds: RECEIVE_WAIT_SECONDS,
    signal: drain,
  });
  onAnswer();
  return message ? await around(() => handle(message, options, drain)) : undefined;
}

type Handling = WorkerOptions & { patience: Patience; health: Health; pauses: ModelPauses; part: Part };

async function handle(message: QueueMessage, options: Handling, drain: AbortSignal): Promise<Failure | undefined> {
  const { queue, engine, patience, health, pauses, part } = options;
  const hold = () => queue.extend(message.receipt, VISIBILITY_SECONDS).catch(() => {});
  const waiting = { health, patience, hold };
  const settle: Outwait = (work) => outwaitTrouble(work, { ...waiting, signal: drain });
  const pause = pauses.isAny() ? await settle(() => pauseOf(message, options)) : 0;
  if (pause > 0) {
    await putBack(message, pause / 1000, { queue, settle });
    return undefined;
  }
  try {
    await orAborted(engine.start(), drain);
  } catch (error) {
    await putBack(message, 0, { queue, settle });
    return drain.aborted ? undefined : failureOf(part, error);
  }
  const by = crypto.randomUUID();
  const job = await settle(() => claim(message, by, options));
  if (!job) return undefined;
  const { model } = job.parameters;
  const log = withFields(options.log, { job: job.id, attempt: job.attempt, account: job.account, ...job.trace });
  log.info('attempt.started');
  const stop = new AbortController();
  const onDrain = () => stop.abort('drain' satisfies Stop);
  drain.addEventListener('abort', onDrain, { once: true });
  if (drain.aborted) onDrain();
  const result = { bytes: PROBE_BYTES };
  try {
    const done = await runAttempt(job, message, { ...options, log }, { stop, waiting, result });
    log.info('attempt.ended', { status: done.status });
  } catch (thrown) {
    const error = asStoreError(thrown);
    log.warn('attempt.failed', { error });
    const fault = await faultOf(engine, error, drain);
    if (!fault && isModelTrouble(error)) pauses.failed(model, error);
    await conclude(job, message, fault ?? error, { ...options, settle, pauseSeconds: pauses.left(model) / 1000 });
    if (fault) return failureOf(part, fault);
    return isStoreError(error) ? failureOf(isStorageFull(error) ? 'storage' : STORES, error, result.bytes) : undefined;
  } finally {
    drain.removeEventListener('abort', onDrain);
  }
  if (!job.test) pauses.loaded(model);
  await settle(() => queue.delete(message.receipt));
  return undefined;
}

/** Milliseconds that the job of the message has to wait for its model. */
async function pauseOf({ jobId }: QueueMessage, { state, pauses }: Handling): Promise<number> {
  const job = await state.getJob(jobId);
  return job && !job.test && !isTerminal(job) ? pauses.left(job.parameters.model) : 0;
}

/** The job as a new attempt of ours; undefined when there is nothing to do for this message. */
async function claim(message: QueueMessage, by: string, { state, queue }: WorkerOptions): Promise<Job | undefined> {
  try {
    const job = await state.updateJob(message.jobId, { type: 'claim', by });
    if (job.status === 'starting') return job;
  } catch (error) {
    if (isUnavailable(error) || !(error instanceof AppError)) throw error;
    // It comes again: should that attempt die, we are there. One that keeps coming is one of two, and would in the end
    // be taken for that of a job which kills its workers; the reaper knows when the lease is over.
    if (error.code === 'lease-held' && message.receiveCount < MAX_RECEIVES / 2) return undefined;
  }
  await queue.delete(message.receipt); // else finished, canceled or deleted meanwhile
  return undefined;
}
