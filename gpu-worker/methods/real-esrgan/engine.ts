/// <reference lib="esnext.disposable" />

import { type RealEsrganId, realEsrgan, realEsrganFast } from '../../../shared/methods/real-esrgan.ts';
import type { Graph } from '../../graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnet, rrdbnetStages } from '../../graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3, srvgg, srvggStages } from '../../graphs/srvgg.ts';
import type { Stage } from '../../graphs/stage.ts';
import { directoryOf } from '../../model-store/installed.ts';
import { compileModel, type ReadWeight } from '../../runtime/compile.ts';
import type { Device } from '../../runtime/devices.ts';
import type { SuperResolver } from '../../tiling/picture-tiles.ts';
import { type Checkpoint, checkShapes } from '../../weights/checkpoint.ts';
import { verifiedPath } from '../../weights/manifest.ts';
import { openSafetensors } from '../../weights/safetensors.ts';
import type { MethodEngine } from '../engine.ts';
import { COMPACT, RRDBNET } from '../layer-kinds.ts';
import { onePass } from '../one-pass-engine.ts';
import { openStages } from '../open-stages.ts';

interface LoadOptions {
  model: RealEsrganId;
  /** Of the fast one only: 0 keeps grain and noise, 1 takes away as much as it can. Default 0.5, as in Real-ESRGAN. */
  denoise?: number | undefined;
  device: Device;
  /** Of the weight files and their manifest; default: where the model ships. */
  directory?: string;
}

const X4PLUS_FILE = 'realesrgan-x4plus.safetensors';
const GENERAL_FILE = 'realesr-general-x4v3.safetensors';
/** Weak denoise. */
const GENERAL_WDN_FILE = 'realesr-general-wdn-x4v3.safetensors';

export const realEsrganEngine = engineOf('real-esrgan');
export const realEsrganFastEngine: MethodEngine = { ...engineOf('real-esrgan-fast'), loadedBy: ['denoise'] };

function engineOf(model: RealEsrganId): MethodEngine {
  return {
    layers: model === 'real-esrgan' ? RRDBNET : COMPACT,
    load: async (directory, { device, parameters: { denoise } }) =>
      onePass(await loadSuperResolver({ model, denoise, device, directory })),
  };
}

/** Throws AppError `engine-failed`: weights that are damaged or do not fit, a device that is not there. */
export async function loadSuperResolver(options: LoadOptions): Promise<SuperResolver> {
  await using opened = new AsyncDisposableStack();
  const { context, stages, read } = await openFiles(options, opened);
  const loaded = await openStages(stages, options.device, async (graph) => ({
    model: await compileModel(graph, read),
  }));
  opened.defer(loaded.release);
  const owned = opened.move();
  const release = () => owned.disposeAsync();
  return { scale: 4, inputChannels: 3, outputChannels: 3, unit: 1, context, stages: loaded.stages, release };
}

interface Opened {
  context: number;
  stages: Stage[];
  read: ReadWeight;
}

/** `opened` takes the weight files over. */
async function openFiles(options: LoadOptions, opened: AsyncDisposableStack): Promise<Opened> {
  const { model, directory = directoryOf('', model) } = options;
  if (model === 'real-esrgan') {
    const { read } = opened.use(await openWeights(directory, X4PLUS_FILE, rrdbnet(REAL_ESRGAN_X4PLUS)));
    return { context: realEsrgan.context, stages: rrdbnetStages(REAL_ESRGAN_X4PLUS), read };
  }
  const { denoise = realEsrganFast.defaults.denoise! } = options;
  const whole = srvgg(REAL_ESRGAN_GENERAL_X4V3);
  const general = opened.use(await openWeights(directory, GENERAL_FILE, whole));
  const weak = opened.use(await openWeights(directory, GENERAL_WDN_FILE, whole));
  // Weights between those of two networks: denoise · general + (1 − denoise) · general-wdn.
  const read = async (name: string) => interpolate(await weak.read(name), await general.read(name), denoise);
  return { context: realEsrganFast.context, stages: srvggStages(REAL_ESRGAN_GENERAL_X4V3), read };
}

async function openWeights(directory: string, file: string, graph: Graph): Promise<Checkpoint> {
  const checkpoint = await openSafetensors(await verifiedPath(directory, file));
  try {
    checkShapes(graph.weights, checkpoint.tensors, file);
    return checkpoint;
  } catch (error) {
    await checkpoint[Symbol.asyncDispose]();
    throw error;
  }
}

/** `from` at share 0, `to` at share 1. */
function interpolate(from: Float32Array, to: Float32Array, share: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(to, (value, index) => share * value + (1 - share) * from[index]!);
}
