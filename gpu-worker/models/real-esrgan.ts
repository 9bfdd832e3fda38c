import { fileURLToPath } from 'node:url';
import type { SuperResolutionModelId } from '../../shared/models.ts';
import { TILE_CONTEXT } from '../../shared/tile-plan.ts';
import type { Graph } from '../graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnet } from '../graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3, slopeNames, srvgg } from '../graphs/srvgg.ts';
import { compileModel } from '../runtime/compile.ts';
import { createSession, type Device } from '../runtime/session.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Checkpoint, checkShapes } from '../weights/checkpoint.ts';
import { verifiedPath } from '../weights/manifest.ts';
import { openSafetensors } from '../weights/safetensors.ts';

/** A network that makes pictures four times larger, loaded and ready. */
export interface SuperResolver {
  readonly scale: 4;
  /** Pixels around a point of the input that its tile must hold, where the picture has them. */
  readonly context: number;
  /** [1, 3, h, w] RGB 0..1, any h and w from 1 → [1, 3, 4h, 4w], not clamped. Blocks the thread. */
  upscale(tile: Tensor): Promise<Tensor>;
  release(): Promise<void>;
}

interface LoadOptions {
  model: SuperResolutionModelId;
  /** Of real-esrgan-fast only: 0 keeps grain and noise, 1 takes away what it can. Default 0.5, as in Real-ESRGAN. */
  denoise?: number | undefined;
  device: Device;
  /** Folder of the weight files and their manifest. */
  directory?: string;
}

/** Where they ship, with a manifest. */
export const REAL_ESRGAN_DIRECTORY = fileURLToPath(new URL('../weights/real-esrgan', import.meta.url));
export const REAL_ESRGAN_FILES = {
  'real-esrgan': ['realesrgan-x4plus.safetensors'],
  'real-esrgan-fast': ['realesr-general-x4v3.safetensors', 'realesr-general-wdn-x4v3.safetensors'],
} as const satisfies Record<SuperResolutionModelId, readonly string[]>;
const DEFAULT_DENOISE = 0.5;

/** Throws AppError `engine-failed`: weights that are damaged or do not fit, a device that is not there. */
export async function loadSuperResolver(options: LoadOptions): Promise<SuperResolver> {
  const { model, denoise = DEFAULT_DENOISE, device, directory = REAL_ESRGAN_DIRECTORY } = options;
  const bytes = model === 'real-esrgan' ? await compileX4plus(directory) : await compileGeneral(directory, denoise);
  const session = await createSession(bytes, device);
  return {
    scale: 4,
    context: TILE_CONTEXT[model],
    async upscale(tile) {
      const { output } = await session.run({ input: tile });
      return output!;
    },
    release: () => session.release(),
  };
}

async function compileX4plus(directory: string): Promise<Uint8Array> {
  const graph = rrdbnet(REAL_ESRGAN_X4PLUS);
  const [file] = REAL_ESRGAN_FILES['real-esrgan'];
  await using checkpoint = await openWeights(directory, file, graph);
  return await compileModel(graph, checkpoint.read);
}

/** Weights between those of two networks: denoise · general + (1 − denoise) · general-wdn (weak denoise). */
async function compileGeneral(directory: string, denoise: number): Promise<Uint8Array> {
  const config = REAL_ESRGAN_GENERAL_X4V3;
  const anySlopes = srvgg({ ...config, slopesAtMostOne: false });
  const [generalFile, weakFile] = REAL_ESRGAN_FILES['real-esrgan-fast'];
  await using general = await openWeights(directory, generalFile, anySlopes);
  await using weak = await openWeights(directory, weakFile, anySlopes);
  const read = async (name: string) => interpolate(await weak.read(name), await general.read(name), denoise);
  const slopes = await Promise.all(slopeNames(config.convolutions).map(read));
  const slopesAtMostOne = slopes.every((values) => values.every((slope) => slope <= 1));
  return await compileModel(slopesAtMostOne ? srvgg({ ...config, slopesAtMostOne }) : anySlopes, read);
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
