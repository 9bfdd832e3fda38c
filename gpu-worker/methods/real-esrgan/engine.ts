import { fileURLToPath } from 'node:url';
import type { SuperResolutionModelId } from '../../shared/models.ts';
import { TILE_CONTEXT } from '../../shared/tile-plan.ts';
import type { Graph } from '../graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnet } from '../graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3, srvgg, srvggByWinograd } from '../graphs/srvgg.ts';
import { WINOGRAD_COLUMNS } from '../graphs/winograd.ts';
import { compileModel } from '../runtime/compile.ts';
import { createLazySession, createSession, type Device, type Session } from '../runtime/session.ts';
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
/** To load the other graph, which has fifteen times as many nodes, takes a second: small tiles never win that back. */
const LEAST_WINOGRAD_PIXELS = 128 ** 2;

/** Throws AppError `engine-failed`: weights that are damaged or do not fit, a device that is not there. */
export async function loadSuperResolver(options: LoadOptions): Promise<SuperResolver> {
  const { model, denoise = DEFAULT_DENOISE, device, directory = REAL_ESRGAN_DIRECTORY } = options;
  if (model === 'real-esrgan') {
    const session = await createSession(await compileX4plus(directory), device);
    return resolver(model, async () => session, [session]);
  }
  const plain = srvgg(REAL_ESRGAN_GENERAL_X4V3);
  // Measured on x64 only: elsewhere ONNX Runtime may have no blocked layout, without which the other graph is slow.
  if (device !== 'cpu' || process.arch !== 'x64') {
    const [bytes] = await compileGeneral(directory, denoise, [plain]);
    const session = await createSession(bytes!, device);
    return resolver(model, async () => session, [session]);
  }
  const graphs: [Graph, Graph] = [plain, srvggByWinograd(REAL_ESRGAN_GENERAL_X4V3)];
  const sessions = (await compileGeneral(directory, denoise, graphs)).map((bytes) => createLazySession(bytes, device));
  const [anyWidth, byColumns] = sessions as [Session, Session];
  /** Each session keeps the memory that its largest tile needed: only one of them may. */
  const choose = async (height: number, width: number) => {
    const isLarge = height * width >= LEAST_WINOGRAD_PIXELS;
    const [chosen, other] = isLarge && width % WINOGRAD_COLUMNS === 0 ? [byColumns, anyWidth] : [anyWidth, byColumns];
    if (isLarge) await other.release();
    return chosen;
  };
  return resolver(model, choose, sessions);
}

/** `choose`: the session for tiles of a size. */
function resolver(
  model: SuperResolutionModelId,
  choose: (height: number, width: number) => Promise<Session>,
  sessions: Session[],
): SuperResolver {
  return {
    scale: 4,
    context: TILE_CONTEXT[model],
    async upscale(tile) {
      const session = await choose(tile.shape[2]!, tile.shape[3]!);
      const { output } = await session.run({ input: tile });
      return output!;
    },
    async release() {
      for (const session of sessions) await session.release();
    },
  };
}

async function compileX4plus(directory: string): Promise<Uint8Array> {
  const graph = rrdbnet(REAL_ESRGAN_X4PLUS);
  const [file] = REAL_ESRGAN_FILES['real-esrgan'];
  await using checkpoint = await openWeights(directory, file, graph);
  return await compileModel(graph, checkpoint.read);
}

/**
 * Graphs of one network with the same tensors, whose weights lie between those of two: denoise · general +
 * (1 − denoise) · general-wdn (weak denoise).
 */
async function compileGeneral(directory: string, denoise: number, graphs: [Graph, ...Graph[]]): Promise<Uint8Array[]> {
  const [generalFile, weakFile] = REAL_ESRGAN_FILES['real-esrgan-fast'];
  await using general = await openWeights(directory, generalFile, graphs[0]);
  await using weak = await openWeights(directory, weakFile, graphs[0]);
  const read = async (name: string) => interpolate(await weak.read(name), await general.read(name), denoise);
  const compiled: Uint8Array[] = [];
  for (const graph of graphs) compiled.push(await compileModel(graph, read));
  return compiled;
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
