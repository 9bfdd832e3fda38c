import { writeFileSync } from 'node:fs';
import { AppError, type ErrorCode, type FieldError } from '../shared/error.ts';
import type { Description, Parameters, Progress } from '../shared/job.ts';
import { isDiffusionModel } from '../shared/models.ts';
import { asStorageFull } from '../shared/storage-room.ts';
import { decodeImage } from './images/decode.ts';
import type { Pixels } from './images/image.ts';
import { loadSuperResolver } from './models/real-esrgan.ts';
import { loadSeesr } from './models/seesr.ts';
import { hashOfWeights } from './models/weights-hash.ts';
import { type CheckpointFile, openCheckpoints } from './pipeline/checkpoint.ts';
import { describePhoto, diffusion } from './pipeline/diffusion.ts';
import type { LivePreviewFile } from './pipeline/live-preview.ts';
import type { Method } from './pipeline/method.ts';
import { type RestoreRequest, type RestoreResult, restore } from './pipeline/restore.ts';
import { testMode } from './pipeline/test-mode.ts';
import { superResolution } from './pipeline/upscale.ts';
import { checkDevice, type Device } from './runtime/session.ts';
import { sha256Of } from './weights/sha256.ts';

/** What the engine (engine.ts) says to the child. */
export type ToChild =
  /** Is the device usable at all? */
  | { type: 'check'; device: Device }
  | { type: 'restore'; request: RestoreRequest; tileSize: number; device: Device; modelsDirectory: string }
  | { type: 'describe'; request: DescribeRequest; device: Device; modelsDirectory: string }
  | { type: 'cancel' };

export type DescribeRequest = Pick<RestoreRequest, 'inputPath' | 'parameters' | 'limits'>;

/** What the child answers: any number of others, then one `done` or `failed`. */
export type FromChild =
  | { type: 'progress'; progress: Progress }
  | { type: 'preview'; file: LivePreviewFile }
  | { type: 'checkpoint'; file: CheckpointFile }
  /** The checkpoint that was given is of no use. */
  | { type: 'started-anew'; reason: string }
  | { type: 'loaded'; model: string; seconds: number }
  /** `result`: of `restore` or `describe`. */
  | { type: 'done'; result?: EngineResult | Description }
  | { type: 'failed'; code: ErrorCode; message: string; errors: FieldError[] | undefined; stack: string | undefined };

/** What was restored, and what did it. */
export interface EngineResult extends RestoreResult {
  device: Device;
  /** Absent where no network was to run. */
  weightsSha256?: string;
  /** Where the model had to be loaded first. */
  loadSeconds?: number;
  /** Steps that an earlier attempt had done. */
  resumedStep?: number;
}

interface LoadedModel {
  method: Method;
  /** Of diffusion models. */
  describe?: (photo: Pixels, parameters: Parameters) => Promise<Description>;
  weightsSha256: string;
  /** Gives the memory back. */
  release: () => Promise<void>;
}

let loaded: (LoadedModel & { name: string }) | undefined;
let running: AbortController | undefined;

process.on('message', (message: ToChild) => {
  if (message.type === 'cancel') running?.abort();
  else if (message.type === 'check') void answer(() => checkDevice(message.device).then(() => undefined));
  else if (message.type === 'describe') void answer(() => describe(message));
  else void answer(() => run(message));
});
// The parent is gone, perhaps killed: nobody waits for a result any more.
process.on('disconnect', () => process.exit());
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

type RestoreMessage = Extract<ToChild, { type: 'restore' }>;

async function run(message: RestoreMessage): Promise<EngineResult> {
  running = new AbortController();
  const { method, weightsSha256, loadSeconds } = message.request.test ? { method: testMode } : await load(message);
  const checkpoints = weightsSha256 ? await checkpointsOf(message, weightsSha256) : undefined;
  const result = await restore(message.request, method, {
    ...(checkpoints && { checkpoints }),
    tileSize: message.tileSize,
    signal: running.signal,
    onProgress: (progress) => send({ type: 'progress', progress }),
    onPreview: (file) => send({ type: 'preview', file }),
  });
  return {
    ...result,
    device: message.device,
    ...(weightsSha256 && { weightsSha256 }),
    ...(loadSeconds !== undefined && { loadSeconds }),
    ...(checkpoints?.from && { resumedStep: checkpoints.from.step }),
  };
}

async function checkpointsOf({ request, device, tileSize }: RestoreMessage, weightsSha256: string) {
  const { inputPath, checkpointDirectory: directory, checkpointPath: path, parameters, compat = false } = request;
  if (!directory) return undefined;
  return openCheckpoints({
    directory,
    ...(path && { path }),
    dependsOn: { parameters, compat, tileSize, device, weightsSha256, inputSha256: await sha256Of(inputPath) },
    onSaved: (file) => send({ type: 'checkpoint', file }),
    onRefused: (reason) => send({ type: 'started-anew', reason }),
  });
}

async function describe(message: Extract<ToChild, { type: 'describe' }>): Promise<Description> {
  const { inputPath, parameters, limits } = message.request;
  const model = await load(message);
  send({ type: 'progress', progress: { stage: 'describe', percent: 1 } });
  if (!model.describe) throw new AppError('invalid', `${parameters.model} sees no tags.`);
  return await model.describe((await decodeImage(inputPath, limits)).pixels, parameters);
}

type ModelMessage = Extract<ToChild, { type: 'restore' | 'describe' }>;

/** One model at a time stays loaded. */
async function load(message: ModelMessage): Promise<LoadedModel & { loadSeconds?: number }> {
  const { model, denoise } = message.request.parameters;
  const name = JSON.stringify([model, denoise, message.device, message.modelsDirectory]);
  if (loaded?.name === name) return loaded;
  send({ type: 'progress', progress: { stage: 'load', percent: 0 } });
  const old = loaded;
  loaded = undefined;
  await old?.release();
  const started = performance.now();
  loaded = { name, ...(await openModel(message)) };
  const loadSeconds = (performance.now() - started) / 1000;
  send({ type: 'loaded', model, seconds: loadSeconds });
  return { ...loaded, loadSeconds };
}

async function openModel(message: ModelMessage): Promise<LoadedModel> {
  const { request, device, modelsDirectory } = message;
  const { model, denoise } = request.parameters;
  const weightsSha256 = await hashOfWeights(modelsDirectory, model);
  if (isDiffusionModel(model)) {
    const models = await loadSeesr({ modelsDirectory, model, device });
    const describe: LoadedModel['describe'] = async (photo, asked) =>
      (await describePhoto(photo, models, asked)).description;
    return { method: diffusion(models), describe, weightsSha256, release: models.release };
  }
  const resolver = await loadSuperResolver({ model, denoise, device });
  return { method: superResolution(resolver), weightsSha256, release: resolver.release };
}

function failure(thrown: unknown): FromChild {
  const error = asStorageFull(thrown);
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  if (error instanceof AppError) {
    return { type: 'failed', code: error.code, message: error.message, errors: error.errors, stack };
  }
  const text = error instanceof Error ? error.message : String(error);
  const code = isOutOfMemory(text) ? 'out-of-memory' : 'engine-failed';
  return { type: 'failed', code, message: `The engine failed: ${text}`, errors: undefined, stack };
}

function isOutOfMemory(message: string): boolean {
  return /bad_alloc|failed to allocate|out of memory|array buffer allocation failed/i.test(message);
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
