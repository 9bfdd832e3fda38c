import type { ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { orAborted } from '../shared/deadline.ts';
import { AppError, type ErrorCode } from '../shared/error.ts';
import type { Description } from '../shared/job.ts';
import { STALL_SECONDS } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import { type AnyMethodId, methodOf } from '../shared/methods/registry.ts';
import type { DescribeRequest, EngineResult, Kept, ToChild } from './child.ts';
import { converse, type RunOptions } from './converse.ts';
import { checkAdded } from './model-store/added-models.ts';
import type { RestoreRequest } from './restore/restore.ts';
import { type DevicePlace, placeName } from './runtime/device-places.ts';
import type { Device } from './runtime/devices.ts';
import { endChild, hasEnded, startChild } from './start-child.ts';

interface EngineOptions {
  device: Device;
  /** Of the device, among those of its kind. Default: 0. */
  deviceIndex?: number;
  /** Default: as many as there are processors. */
  threads?: number;
  /** Default: that of the device. */
  name?: string;
  /** Where models that were built from the user's files are. */
  modelsDirectory: string;
  /** Of the models that it is to run: their layers are checked. Default: every kind of layer is. */
  methods?: readonly AnyMethodId[] | undefined;
  /** Default: no earlier check of the device is believed. */
  kept?: Kept | undefined;
  log: Log;
  stallSeconds?: number;
  /** For a child to be ready. */
  startSeconds?: number;
}

/** Runs one photo at a time in a child process that stays warm, can be killed, and takes an out-of-memory kill alone. */
export interface Engine {
  /** In logs and answers: no other engine of the service has it. */
  readonly name: string;
  readonly place: DevicePlace;
  /** There is a child that answers. Throws `unavailable`; the next call tries again. */
  start(): Promise<void>;
  /**
   * Throws `engine-failed` when the device cannot be used here, or computes wrong. `anew`: whatever earlier checks said.
   */
  checkDevice(options?: { anew: boolean }): Promise<void>;
  /**
   * Throws AppError: `unavailable`, `model-unavailable` (of a model that was added) and `model-not-loaded` where nothing has
   * been done with the photo yet. After an out-of-memory
   * it first tries again with ever smaller tiles; after an `output-rejected` once more in the safest way: a new child, which
   * loads the weights anew, and the smallest tiles. The parameters stay as they are: another picture than the one asked for
   * would be no remedy.
   */
  restore(request: RestoreRequest, options: RunOptions): Promise<EngineResult>;
  /** The description of the photo by a diffusion model. Throws AppError. */
  describe(request: DescribeRequest, options: RunOptions): Promise<Description>;
  /** Process id of the child while there is one. */
  pid(): number | undefined;
  close(): Promise<void>;
}

/** After these a new child does the next work: the memory of this one, its modules or its device may be the reason. */
const WORN_OUT: readonly ErrorCode[] = ['engine-failed', 'out-of-memory', 'model-not-loaded'];

export function createEngine({ device, modelsDirectory, log, ...options }: EngineOptions): Engine {
  const { stallSeconds = STALL_SECONDS, startSeconds = STALL_SECONDS } = options;
  const { deviceIndex = 0, threads = availableParallelism(), methods, kept } = options;
  const believed = kept && { kept };
  const place = { device, index: deviceIndex };
  const { name = placeName(place) } = options;
  let child: ChildProcess | undefined;
  let starting: Promise<ChildProcess> | undefined;
  let closing = new AbortController();

  function start(): Promise<ChildProcess> {
    if (child && !hasEnded(child)) return Promise.resolve(child);
    starting ??= startChild({ name, deviceIndex, threads }, startSeconds, closing.signal)
      .then((started) => {
        child = started;
        return started;
      })
      .finally(() => {
        starting = undefined;
      });
    return starting;
  }

  async function endCurrent(): Promise<void> {
    const ending = child;
    child = undefined;
    if (ending) await endChild(ending);
  }

  async function ask<Result extends Awaited<ReturnType<typeof converse>>>(
    message: ToChild,
    options: RunOptions & { stallSeconds?: number },
  ) {
    const asked = await orAborted(start(), options.signal);
    try {
      return await converse<Result>(asked, message, { log, stallSeconds, ...options });
    } catch (error) {
      const isWornOut = error instanceof AppError && WORN_OUT.includes(error.code);
      if (asked === child && (isWornOut || asked.killed || hasEnded(asked))) await endCurrent();
      throw error;
    }
  }

  async function restoreWithin(sizes: readonly number[], request: RestoreRequest, options: RunOptions) {
    const jobLog = options.log ?? log;
    for (const [index, tileSize] of sizes.entries()) {
      try {
        const message = { type: 'restore', request, tileSize, device, modelsDirectory, ...believed } as const;
        return await ask<EngineResult>(message, options);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'out-of-memory') throw error;
        jobLog.warn('engine.out-of-memory', { tileSize, next: sizes[index + 1], error });
      }
    }
    throw new AppError('out-of-memory', `The image did not fit into memory, even in tiles of ${sizes.at(-1)} pixels.`);
  }

  return {
    name,
    place,
    async start() {
      await start();
    },
    async checkDevice({ anew } = { anew: false }) {
      const { signal } = new AbortController();
      const options = { onProgress: () => {}, signal, stallSeconds: STALL_SECONDS };
      await ask<undefined>({ type: 'check', device, ...(methods && { methods }), ...(!anew && believed) }, options);
    },
    async restore(request, options) {
      if (!request.test) await checkAdded(modelsDirectory, request.parameters);
      const sizes = methodOf(request.parameters).tileSizes;
      try {
        return await restoreWithin(sizes, request, options);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'output-rejected') throw error;
        (options.log ?? log).warn('engine.output-rejected', { error });
        await endCurrent();
        return await restoreWithin(sizes.slice(-1), request, options);
      }
    },
    async describe(request, options) {
      return await ask<Description>({ type: 'describe', request, device, modelsDirectory, ...believed }, options);
    },
    pid: () => (child && !hasEnded(child) ? child.pid : undefined),
    async close() {
      closing.abort();
      closing = new AbortController();
      await starting?.catch(() => {});
      await endCurrent();
    },
  };
}
