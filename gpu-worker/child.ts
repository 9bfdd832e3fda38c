import { writeFileSync } from 'node:fs';
import { AppError, type ErrorCode, type FieldError } from '../shared/error.ts';
import type { Description, Progress } from '../shared/job.ts';
import { isOutOfMemory } from '../shared/out-of-memory.ts';
import { asStoreError } from '../shared/store-error.ts';
import { fromArguments } from './child-share.ts';
import { isDeviceFault } from './device-fault.ts';
import { decodeImage } from './images/decode.ts';
import { seenPhoto } from './images/seen-photo.ts';
import type { LoadedMethod } from './methods/engine.ts';
import { type EngineId, engineOf, layersOf } from './methods/engines.ts';
import { hashOfWeights, openInstalled } from './model-store/installed.ts';
import type { LivePreviewFile } from './restore/live-preview.ts';
import { type RestoreRequest, type RestoreResult, restore } from './restore/restore.ts';
import { openSavepoints, type SavepointFile } from './restore/savepoint.ts';
import { testMode } from './restore/test-mode.ts';
import { checkDevice, type KeptChecks } from './runtime/check-device.ts';
import { LAYER_KINDS, type LayerKind } from './runtime/checked-layers.ts';
import { placeName } from './runtime/device-places.ts';
import { DEVICES, type Device } from './runtime/devices.ts';
import { share, takeShare } from './runtime/share.ts';
import { SOFTWARE } from './software.ts';
import { sha256Of } from './weights/sha256.ts';

/** Messages of the engine (engine.ts) to the child. */
export type ToChild =
  /** Is the device there, and does it compute right what these methods, or else any, are made of? */
  | { type: 'check'; device: Device; methods?: readonly EngineId[]; kept?: Kept }
  | { type: 'restore'; request: RestoreRequest; tileSize: number; device: Device; modelsDirectory: string; kept?: Kept }
  | { type: 'describe'; request: DescribeRequest; device: Device; modelsDirectory: string; kept?: Kept }
  | { type: 'cancel' };

/** Where earlier answers about the device may be believed. */
export type Kept = Omit<KeptChecks, 'program'>;

export type DescribeRequest = Pick<RestoreRequest, 'inputPath' | 'parameters' | 'limits'>;

/** Messages of the child: at first one of two; then its answers: any number of others, then one `done` or `failed`. */
export type FromChild =
  | { type: 'ready' }
  | { type: 'broken'; reason: string }
  /** It is ready; the messages from here on are about the photo. */
  | { type: 'begun' }
  | { type: 'progress'; progress: Progress }
  | { type: 'preview'; file: LivePreviewFile }
  | { type: 'savepoint'; file: SavepointFile }
  /** The savepoint that was given is of no use. */
  | { type: 'started-anew'; reason: string }
  | { type: 'loaded'; model: string; seconds: number }
  /** `result`: of `restore` or `describe`. */
  | { type: 'done'; result?: EngineResult | Description }
  | { type: 'failed'; code: ErrorCode; message: string; errors: FieldError[] | undefined; stack: string | undefined };

/** The result, and the device and weights that made it. */
export interface EngineResult extends RestoreResult {
  /** Its name, with its index where there may be several. */
  device: string;
  /** Absent where no network was to run. */
  weightsSha256?: string;
  /** Where the model had to be loaded first. */
  loadSeconds?: number;
  /** Steps that an earlier attempt had done. */
  resumedStep?: number;
}

interface LoadedModel extends LoadedMethod {
  /** Of the loaded model: its name, its place, the dependencies of its weights. */
  name: string;
  weightsSha256: string;
}

takeShare(fromArguments(process.argv));

let loaded: LoadedModel | undefined;
let running: AbortController | undefined;
/** By the device of this process. */
const computedRight = new Set<LayerKind>();

process.on('message', (message: ToChild) => {
  if (message.type === 'cancel') running?.abort();
  else if (message.type === 'check') void answer(() => check(message));
  else if (message.type === 'describe') void answer(() => describe(message));
  else void answer(() => run(message));
});
// Of all processes this one is to go first when memory runs out: the job is tried again with smaller tiles.
sacrificeToOutOfMemory();

async function answer(work: () => Promise<EngineResult | Description | undefined>): Promise<void> {
  try {
    const result = await work();
    send({ type: 'done', ...(result && { result }) });
  } catch (error) {
    send(failure(error));
  }
}

async function check({ device, methods, kept }: Extract<ToChild, { type: 'check' }>): Promise<undefined> {
  await checkDevice(device, methods ? await layersOf(methods) : LAYER_KINDS, withProgram(kept));
}

const withProgram = (kept: Kept | undefined) => kept && { ...kept, program: SOFTWARE };

/** Once for each kind of layer. Throws as `checkDevice` does. The records come from a processor: it needs no check. */
async function checkLayersOf(layers: readonly LayerKind[], { device, kept }: ModelMessage): Promise<void> {
  const unknown = layers.filter((layer) => !computedRight.has(layer));
  if (DEVICES[device].isProcessor || unknown.length === 0) return;
  await checkDevice(device, unknown, withProgram(kept));
  for (const layer of unknown) computedRight.add(layer);
}

type RestoreMessage = Extract<ToChild, { type: 'restore' }>;

async function run(message: RestoreMessage): Promise<EngineResult> {
  running = new AbortController();
  const {
    restore: restorer,
    weightsSha256,
    loadSeconds,
  } = message.request.test ? { restore: testMode } : await load(message);
  send({ type: 'begun' });
  const savepoints = weightsSha256 ? await savepointsOf(message, weightsSha256) : undefined;
  const result = await restore(message.request, restorer, {
    ...(savepoints && { savepoints }),
    tileSize: message.tileSize,
    signal: running.signal,
    onProgress: (progress) => send({ type: 'progress', progress }),
    onPreview: (file) => send({ type: 'preview', file }),
  });
  return {
    ...result,
    device: placeName({ device: message.device, index: share.deviceIndex }),
    ...(weightsSha256 && { weightsSha256 }),
    ...(loadSeconds !== undefined && { loadSeconds }),
    ...(savepoints?.from && { resumedStep: savepoints.from.step }),
  };
}

async function savepointsOf({ request, device, tileSize }: RestoreMessage, weightsSha256: string) {
  const { inputPath, savepointDirectory: directory, savepointPath: path, parameters, published = false } = request;
  if (!directory) return undefined;
  return openSavepoints({
    directory,
    ...(path && { path }),
    dependsOn: { parameters, published, tileSize, device, weightsSha256, inputSha256: await sha256Of(inputPath) },
    onSaved: (file) => send({ type: 'savepoint', file }),
    onRefused: (reason) => send({ type: 'started-anew', reason }),
  });
}

async function describe(message: Extract<ToChild, { type: 'describe' }>): Promise<Description> {
  const { inputPath, parameters, limits } = message.request;
  const model = await load(message);
  send({ type: 'begun' });
  send({ type: 'progress', progress: { stage: 'describe', percent: 1 } });
  if (!model.describe) throw new AppError('invalid', `${parameters.model} sees no tags.`);
  const photo = seenPhoto(await decodeImage(inputPath, limits));
  return await model.describe(photo.pixels, parameters);
}

type ModelMessage = Extract<ToChild, { type: 'restore' | 'describe' }>;

/** One model at a time stays loaded. */
async function load(message: ModelMessage): Promise<LoadedModel & { loadSeconds?: number }> {
  const { request, device, modelsDirectory } = message;
  const { parameters } = request;
  const { model } = parameters;
  const installed = await openInstalled(modelsDirectory, model);
  const engine = await engineOf(installed.method);
  const weightsSha256 = await hashOfWeights(installed);
  const dependsOn = engine.loadedBy?.map((parameter) => parameters[parameter]);
  const name = JSON.stringify([installed.directory, weightsSha256, device, dependsOn]);
  if (loaded?.name === name) return loaded;
  send({ type: 'progress', progress: { stage: 'load', percent: 0 } });
  const old = loaded;
  loaded = undefined;
  await old?.release();
  await checkLayersOf(engine.layers, message);
  const started = performance.now();
  loaded = { name, weightsSha256, ...(await engine.load(installed.directory, { device, parameters })) };
  const loadSeconds = (performance.now() - started) / 1000;
  send({ type: 'loaded', model, seconds: loadSeconds });
  return { ...loaded, loadSeconds };
}

function failure(thrown: unknown): FromChild {
  const error = asStoreError(thrown);
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  if (error instanceof AppError) {
    return { type: 'failed', code: error.code, message: error.message, errors: error.errors, stack };
  }
  const text = error instanceof Error ? error.message : String(error);
  const code = isOutOfMemory(text) ? 'out-of-memory' : isDeviceFault(text) ? 'model-not-loaded' : 'engine-failed';
  return { type: 'failed', code, message: `The engine failed: ${text}`, errors: undefined, stack };
}

function send(message: FromChild): void {
  // Where it cannot be delivered the parent is gone, and `disconnect` tells.
  process.send?.(message, undefined, undefined, () => {});
}

function sacrificeToOutOfMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Only Linux has it.
  }
}
