import { type RealEsrganId, realEsrgan, realEsrganFast } from '../../../shared/methods/real-esrgan.ts';
import type { Graph } from '../../graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnet } from '../../graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3, srvgg, srvggByWinograd } from '../../graphs/srvgg.ts';
import { WINOGRAD_COLUMNS } from '../../graphs/winograd.ts';
import { directoryOf } from '../../model-store/installed.ts';
import { compileModel } from '../../runtime/compile.ts';
import { DEVICES, type Device } from '../../runtime/devices.ts';
import { createLazySession, createSession, type Session } from '../../runtime/session.ts';
import type { SuperResolver } from '../../tiling/picture-tiles.ts';
import { type Checkpoint, checkShapes } from '../../weights/checkpoint.ts';
import { verifiedPath } from '../../weights/manifest.ts';
import { openSafetensors } from '../../weights/safetensors.ts';
import type { MethodEngine } from '../engine.ts';
import { onePass } from '../one-pass-engine.ts';

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
/** To load the other graph, which has fifteen times as many nodes, takes a second: small tiles never win that back. */
const LEAST_WINOGRAD_PIXELS = 128 ** 2;

export const realEsrganEngine = engineOf('real-esrgan');
export const realEsrganFastEngine: MethodEngine = { ...engineOf('real-esrgan-fast'), loadedBy: ['denoise'] };

function engineOf(model: RealEsrganId): MethodEngine {
  return {
    load: async (directory, { device, parameters: { denoise } }) =>
      onePass(await loadSuperResolver({ model, denoise, device, directory })),
  };
}

/** Throws AppError `engine-failed`: weights that are damaged or do not fit, a device that is not there. */
export async function loadSuperResolver(options: LoadOptions): Promise<SuperResolver> {
  const { model, denoise = realEsrganFast.defaults.denoise!, device, directory = directoryOf('', model) } = options;
  if (model === 'real-esrgan') {
    const session = await createSession(await compileX4plus(directory), device);
    return resolver(realEsrgan.context, async () => session, [session]);
  }
  const { context } = realEsrganFast;
  const plain = srvgg(REAL_ESRGAN_GENERAL_X4V3);
  if (!DEVICES[device].gainsByWinograd) {
    const [bytes] = await compileGeneral(directory, denoise, [plain]);
    const session = await createSession(bytes!, device);
    return resolver(context, async () => session, [session]);
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
  return resolver(context, choose, sessions);
}

/** `choose`: the session for tiles of a size. */
function resolver(
  context: number,
  choose: (height: number, width: number) => Promise<Session>,
  sessions: Session[],
): SuperResolver {
  return {
    scale: 4,
    inputChannels: 3,
    outputChannels: 3,
    context,
    unit: 1,
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
  await using checkpoint = await openWeights(directory, X4PLUS_FILE, graph);
  return await compileModel(graph, checkpoint.read);
}

/**
 * Graphs of one network with the same tensors, whose weights lie between those of two: denoise · general +
 * (1 − denoise) · general-wdn.
 */
async function compileGeneral(directory: string, denoise: number, graphs: [Graph, ...Graph[]]): Promise<Uint8Array[]> {
  await using general = await openWeights(directory, GENERAL_FILE, graphs[0]);
  await using weak = await openWeights(directory, GENERAL_WDN_FILE, graphs[0]);
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
