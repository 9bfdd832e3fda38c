import type { ChildProcess } from 'node:child_process';
import { AppError } from '../shared/error.ts';
import type { Progress } from '../shared/job.ts';
import { ENCODE_PATIENCE } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import type { FromChild, ToChild } from './child.ts';
import type { LivePreviewFile } from './restore/live-preview.ts';
import type { SavepointFile } from './restore/savepoint.ts';
import { watchForStall } from './stall-watch.ts';
import { endChild } from './start-child.ts';

export interface RunOptions {
  onProgress: (progress: Progress) => void;
  /** Where the request has a `previewDirectory`. */
  onPreview?: (file: LivePreviewFile) => void;
  /** Where the request has a `savepointDirectory`. */
  onSavepoint?: (file: SavepointFile) => void;
  /** Ends the work within a tile, or else by killing the child. The call rejects with the signal's reason. */
  signal: AbortSignal;
  /** Says whose work it is. Default: the engine's own. */
  log?: Log;
}

const CANCEL_GRACE_MILLISECONDS = 1_000;

type Result = Extract<FromChild, { type: 'done' }>['result'];

/**
 * One request to the child and its answer. Kills the child when it stalls or does not hear the cancel. Every failure
 * before it is ready and begins with the photo is `model-not-loaded`.
 */
export function converse<Expected extends Result>(
  child: ChildProcess,
  request: ToChild,
  { onProgress, onPreview, onSavepoint, signal, log, stallSeconds }: RunOptions & { log: Log; stallSeconds: number },
): Promise<Expected> {
  const { promise, resolve, reject } = Promise.withResolvers<Expected>();
  /** A check of the device has no photo. */
  let hasBegun = request.type === 'check';
  let stalled = false;
  let grace: NodeJS.Timeout | undefined;
  const fail = (error: AppError) => reject(hasBegun ? error : notLoaded(request, error));
  const onExit = (code: number | null, exitSignal: string | null) => {
    if (signal.aborted) reject(signal.reason);
    else if (stalled) fail(new AppError('engine-failed', `The engine made no progress for ${stallSeconds} s.`));
    else fail(deathOf(code, exitSignal));
  };
  /** Some machines do not let go of a process; a caller that waits for its end goes on all the same. */
  const kill = () => void endChild(child).then(() => onExit(null, 'SIGKILL'));
  const { expectProgressWithin, end: endStallWatch } = watchForStall(() => {
    stalled = true;
    kill();
  });
  const send = (message: ToChild) => child.send(message, (error) => error && kill());

  const onAbort = () => {
    send({ type: 'cancel' });
    grace = setTimeout(kill, CANCEL_GRACE_MILLISECONDS);
  };
  const onMessage = (message: FromChild) => {
    if (message.type === 'begun') hasBegun = true;
    else if (message.type === 'progress') {
      expectProgressWithin(message.progress.stage === 'encode_file' ? stallSeconds * ENCODE_PATIENCE : stallSeconds);
      if (!signal.aborted) onProgress(message.progress);
    } else if (message.type === 'preview') {
      if (!signal.aborted) onPreview?.(message.file);
    } else if (message.type === 'savepoint') {
      onSavepoint?.(message.file);
    } else if (message.type === 'started-anew') {
      log.warn('engine.started-anew', { reason: message.reason });
    } else if (message.type === 'loaded') {
      log.info('engine.model-loaded', { model: message.model, seconds: message.seconds });
    } else if (signal.aborted) reject(signal.reason);
    else if (message.type === 'done') resolve(message.result as Expected);
    else if (message.type === 'failed') fail(failureOf(message));
  };

  child.on('message', onMessage);
  child.once('exit', onExit);
  signal.addEventListener('abort', onAbort, { once: true });
  expectProgressWithin(stallSeconds);
  if (signal.aborted) reject(signal.reason);
  else send(request);

  return promise.finally(() => {
    endStallWatch();
    clearTimeout(grace);
    child.off('message', onMessage);
    child.off('exit', onExit);
    signal.removeEventListener('abort', onAbort);
  });
}

function notLoaded(request: ToChild, cause: AppError): AppError {
  const model = 'request' in request ? request.request.parameters.model : '';
  return new AppError('model-not-loaded', `The model ${model} could not be loaded. ${cause.message}`, { cause });
}

function failureOf({ code, message, errors, stack }: Extract<FromChild, { type: 'failed' }>): AppError {
  const error = new AppError(code, message, errors ? { errors } : {});
  if (stack) error.stack = stack;
  return error;
}

/** SIGKILL that was not ours is the kernel's out-of-memory killer; SIGABRT is how V8 and libc++ end without memory. */
function deathOf(code: number | null, signal: string | null): AppError {
  const outOfMemory = signal === 'SIGKILL' || signal === 'SIGABRT' || code === 137 || code === 134;
  return new AppError(
    outOfMemory ? 'out-of-memory' : 'engine-failed',
    `The engine died (${signal ?? `exit code ${code}`}).`,
  );
}
