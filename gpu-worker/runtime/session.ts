import './no-telemetry.ts';

import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { AppError } from '../../shared/error.ts';
import { isOutOfMemory } from '../../shared/out-of-memory.ts';
import { createGraphBuilder } from '../graphs/onnx.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { compileModel } from './compile.ts';
import { DEVICES, type Device, type DeviceFacts, missingDevice } from './devices.ts';
import { lowerModel } from './lower-model.ts';
import { share } from './share.ts';

/** A network that is loaded and ready. */
export interface Session {
  /** Blocks the thread until the outputs are there, in spite of the promise. Inputs and outputs by name, fp32. */
  run(inputs: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  /** Gives the memory back. */
  release(): Promise<void>;
}

interface SessionOptions {
  /** Where the weights lie that bytes refer to. */
  weightsDirectory?: string | undefined;
  /**
   * On a CPU it keeps the memory that its largest run needed, for the next one: quicker for many small layers. Of many
   * sessions that would be many times as much. Default: true.
   */
  keepsMemory?: boolean;
  /** Instead of those that are known of the device. */
  facts?: DeviceFacts;
}

/**
 * `model`: the bytes of an ONNX model, or the path of one whose weights lie beside it.
 * Throws AppError `engine-failed` when the library of the device is missing, `model-not-loaded` for a model that is damaged or a
 * device that refuses it.
 */
export async function createSession(
  model: Uint8Array | string,
  device: Device,
  { weightsDirectory, keepsMemory = true, facts = DEVICES[device] }: SessionOptions = {},
): Promise<Session> {
  const options = (folder?: string): InferenceSession.SessionOptions => ({
    executionProviders: [providerOf(facts)],
    intraOpNumThreads: share.threads,
    // Shapes differ from photo to photo, and a plan for each would be kept.
    enableMemPattern: false,
    enableCpuMemArena: keepsMemory,
    // Threads that wait for work would take the cores from everything else.
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        ...(folder && { model_external_initializers_file_folder_path: folder }),
      },
    },
    logSeverityLevel: 4,
  });
  const load = async () => {
    if (typeof model !== 'string') return InferenceSession.create(lowerModel(model, facts), options(weightsDirectory));
    if (!facts.lowering) return InferenceSession.create(model, options());
    return InferenceSession.create(lowerModel(await readFile(model), facts), options(dirname(model)));
  };
  const session = await load().catch((error: unknown) => {
    throw isMissing(error)
      ? new AppError('engine-failed', missingDevice(facts), { cause: error })
      : notLoaded(model, error);
  });
  return {
    async run(inputs) {
      const feeds = Object.entries(inputs).map(([name, { data, shape }]) => {
        return [name, new RuntimeTensor('float32', data, shape)] as const;
      });
      const results = Object.entries(await session.run(Object.fromEntries(feeds)));
      return Object.fromEntries(
        results.map(([name, { data, dims }]) => [name, { data: data as Float32Array, shape: dims }]),
      );
    },
    release: () => session.release(),
  };
}

/** `lazily` for a session of `createSession`. */
export function createLazySession(
  model: Uint8Array | string,
  device: Device,
  { stays, ...options }: SessionOptions & { stays?: boolean } = {},
): Session {
  return lazily(() => createSession(model, device, options), { stays });
}

/**
 * A session that is made at its first run, and again after it was released: memory only for sessions in use. Where it
 * does not `stay` it is released after every run.
 */
export function lazily(
  create: () => Promise<Session>,
  { stays = true }: { stays?: boolean | undefined } = {},
): Session {
  let session: Promise<Session> | undefined;
  const release = async () => {
    const released = session;
    session = undefined;
    await (await released)?.release();
  };
  return {
    async run(inputs) {
      session ??= create();
      const outputs = await (await session).run(inputs);
      if (!stays) await release();
      return outputs;
    },
    release,
  };
}

/** Throws as `createSession` does, within moments: loads nothing but a network that hands its input on. */
export async function openDevice(device: Device): Promise<void> {
  const builder = createGraphBuilder('check');
  builder.output('output', builder.input('input', [1]), [1]);
  const model = await compileModel(builder.build(), () => Promise.reject(new RangeError('It has no weights.')));
  await (await createSession(model, device)).release();
}

function providerOf({ provider: name, takesIndex }: DeviceFacts): InferenceSession.ExecutionProviderConfig {
  const indexed = { name, deviceId: share.deviceIndex };
  return takesIndex ? indexed : name;
}

/** Of the device itself: its library, its driver, its adapter. */
function isMissing(error: unknown): boolean {
  return error instanceof Error && /load (shared )?library|Failed to get a WebGPU adapter/i.test(error.message);
}

/** Too little memory is another matter: smaller tiles may leave enough. */
function notLoaded(model: Uint8Array | string, cause: unknown): unknown {
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (isOutOfMemory(reason)) return cause;
  const name = typeof model === 'string' ? basename(model) : 'A network';
  return new AppError('model-not-loaded', `${name} could not be loaded: ${reason}`, { cause });
}
