import { type ChildProcess, fork } from 'node:child_process';
import { AppError } from '../shared/error.ts';
import type { Description, Progress } from '../shared/job.ts';
import { STALL_SECONDS } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import { TILE_SIZES } from '../shared/tile-plan.ts';
import type { DescribeRequest, EngineResult, FromChild, ToChild } from './child.ts';
import type { CheckpointFile } from './pipeline/checkpoint.ts';
import type { LivePreviewFile } from './pipeline/live-preview.ts';
import type { RestoreRequest } from './pipeline/restore.ts';
import type { Device } from './runtime/session.ts';

interface EngineOptions {
  device: Device;
  /** Where models that were built from the user's files are. */
  modelsDirectory: string;
  log: Log;
  stallSeconds?: number;
}

interface RunOptions {
  onProgress: (progress: Progress) => void;
  /** Where the request has a `previewDirectory`. */
  onPreview?: (file: LivePreviewFile) => void;
  /** Where the request has a `checkpointDirectory`. */
  onCheckpoint?: (file: CheckpointFile) => void;
  /** Ends the work within a tile, or else by killing the child. The call rejects with the signal's reason. */
  signal: AbortSignal;
  /** Says whose work it is. Default: the engine's own. */
  log?: Log;
}

/** Runs one photo at a time in a child process that stays warm, can be killed, and takes an out-of-memory kill alone. */
export interface Engine {
  /** Throws `engine-failed` when the device cannot be used here. */
  checkDevice(): Promise<void>;
  /**
   * Throws AppError. After an out-of-memory it first tries again with ever smaller tiles; after an `output-rejected` once
   * more in the safest way: a new child, which loads the weights anew, and the smallest tiles. The parameters stay as
   * they are: another picture than the one asked for would be no remedy.
   */
  restore(request: RestoreRequest, options: RunOptions): Promise<EngineResult>;
  /** What a diffusion model sees in the photo. Throws AppError. */
  describe(request: DescribeRequest, options: RunOptions): Promise<Description>;
  /** Process id of the child while there is one. */
  pid(): number | undefined;
  close(): Promise<void>;
}

const CANCEL_GRACE_MILLISECONDS = 1_000;
/** Encoding reports nothing on its way, and AVIF takes minutes for a very large picture. */
const ENCODE_PATIENCE = 5;

export function createEngine({ device, modelsDirectory, log, stallSeconds = STALL_SECONDS }: EngineOptions): Engine {
  let child: ChildProcess | undefined;

  function start(): ChildProcess {
    const started = fork(new URL('./child.ts', import.meta.url), { execArgv: [], serialization: 'advanced' });
    started.once('exit', () => {
      if (child === started) child = undefined;
    });
    return started;
  }

  function attempt(request: RestoreRequest, tileSize: number, options: RunOptions) {
    child ??= start();
    const message = { type: 'restore', request, tileSize, device, modelsDirectory } as const;
    return converse<EngineResult>(child, message, { log, ...options, stallSeconds });
  }

  function replaceChild(): void {
    child?.kill('SIGKILL');
    child = undefined;
  }

  async function restoreWithin(sizes: readonly number[], request: RestoreRequest, options: RunOptions) {
    const jobLog = options.log ?? log;
    for (const [index, tileSize] of sizes.entries()) {
      try {
        return await attempt(request, tileSize, options);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'out-of-memory') throw error;
        jobLog.warn('engine.out-of-memory', { tileSize, next: sizes[index + 1], error });
        replaceChild(); // what is left of it keeps the memory
      }
    }
    throw new AppError('out-of-memory', `The image did not fit into memory, even in tiles of ${sizes.at(-1)} pixels.`);
  }

  return {
    async checkDevice() {
      child ??= start();
      const { signal } = new AbortController();
      await converse<undefined>(child, { type: 'check', device }, { log, onProgress: () => {}, signal, stallSeconds });
    },
    async restore(request, options) {
      const sizes = TILE_SIZES[request.parameters.model];
      try {
        return await restoreWithin(sizes, request, options);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'output-rejected') throw error;
        (options.log ?? log).warn('engine.output-rejected', { error });
        replaceChild();
        return await restoreWithin(sizes.slice(-1), request, options);
      }
    },
    async describe(request, options) {
      child ??= start();
      const message = { type: 'describe', request, device, modelsDirectory } as const;
      return await converse<Description>(child, message, { log, ...options, stallSeconds });
    },
    pid: () => child?.pid,
    async close() {
      if (!child) return;
      const exited = new Promise((resolve) => child?.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    },
  };
}

type FromChildResult = Extract<FromChild, { type: 'done' }>['result'];

/** One request to the child and its answer. Kills the child when it stalls or does not hear the cancel. */
function converse<Result extends FromChildResult>(
  child: ChildProcess,
  request: ToChild,
  { onProgress, onPreview, onCheckpoint, signal, log, stallSeconds }: RunOptions & { log: Log; stallSeconds: number },
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  let stalled = false;
  let stall: NodeJS.Timeout | undefined;
  let grace: NodeJS.Timeout | undefined;
  const expectProgressWithin = (seconds: number) => {
    clearTimeout(stall);
    stall = setTimeout(() => {
      stalled = true;
      child.kill('SIGKILL');
    }, seconds * 1000);
  };
  // Where a message cannot be delivered the child is gone, and `exit` tells.
  const send = (message: ToChild) => child.send(message, () => {});

  const onAbort = () => {
    send({ type: 'cancel' });
    grace = setTimeout(() => child.kill('SIGKILL'), CANCEL_GRACE_MILLISECONDS);
  };
  const onMessage = (message: FromChild) => {
    if (message.type === 'progress') {
      expectProgressWithin(message.progress.stage === 'encode_file' ? stallSeconds * ENCODE_PATIENCE : stallSeconds);
      if (!signal.aborted) onProgress(message.progress);
    } else if (message.type === 'preview') {
      if (!signal.aborted) onPreview?.(message.file);
    } else if (message.type === 'checkpoint') {
      onCheckpoint?.(message.file);
    } else if (message.type === 'started-anew') {
      log.warn('engine.started-anew', { reason: message.reason });
    } else if (message.type === 'loaded') {
      log.info('engine.model-loaded', { model: message.model, seconds: message.seconds });
    } else if (signal.aborted) reject(signal.reason);
    else if (message.type === 'done') resolve(message.result as Result);
    else reject(failureOf(message));
  };
  const onExit = (code: number | null, exitSignal: string | null) => {
    if (signal.aborted) reject(signal.reason);
    else if (stalled) reject(new AppError('engine-failed', `The engine made no progress for ${stallSeconds} s.`));
    else reject(deathOf(code, exitSignal));
  };

  child.on('message', onMessage);
  child.once('exit', onExit);
  child.once('error', reject);
  signal.addEventListener('abort', onAbort, { once: true });
  expectProgressWithin(stallSeconds);
  if (signal.aborted) reject(signal.reason);
  else send(request);

  return promise.finally(() => {
    clearTimeout(stall);
    clearTimeout(grace);
    child.off('message', onMessage);
    child.off('exit', onExit);
    child.off('error', reject);
    signal.removeEventListener('abort', onAbort);
  });
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
