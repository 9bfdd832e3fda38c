import { fileURLToPath } from 'node:url';
import type { Graph } from '../../gpu-worker/graphs/onnx.ts';
import { REAL_ESRGAN_X4PLUS, rrdbnet } from '../../gpu-worker/graphs/rrdbnet.ts';
import { REAL_ESRGAN_GENERAL_X4V3, srvgg, srvggByWinograd } from '../../gpu-worker/graphs/srvgg.ts';
import type { Stage } from '../../gpu-worker/graphs/stage.ts';
import { openStages } from '../../gpu-worker/methods/open-stages.ts';
import { compileModel } from '../../gpu-worker/runtime/compile.ts';
import type { SuperResolver } from '../../gpu-worker/tiling/picture-tiles.ts';
import { openSafetensors } from '../../gpu-worker/weights/safetensors.ts';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';

interface Whole extends Pick<Stage, 'graph' | 'byWinograd'> {
  file: string;
  /** Pixels around a tile: a part of what the network sees, as most of it decides little. */
  context: number;
}

const NETWORKS: Record<RealEsrganId, () => Whole> = {
  'real-esrgan': () => ({
    file: 'real-esrgan/realesrgan-x4plus',
    context: 34,
    graph: rrdbnet(REAL_ESRGAN_X4PLUS),
  }),
  'real-esrgan-fast': () => ({
    file: 'real-esrgan-fast/realesr-general-x4v3',
    context: 28,
    graph: srvgg(REAL_ESRGAN_GENERAL_X4V3),
    byWinograd: srvggByWinograd(REAL_ESRGAN_GENERAL_X4V3),
  }),
};

/** The networks that ship as one stage, at denoise 1: as they ran until 2026-12, to compare with. */
export async function loadUnstaged(model: RealEsrganId): Promise<SuperResolver> {
  const { file, ...graphs } = NETWORKS[model]();
  const path = fileURLToPath(new URL(`../../gpu-worker/shipped/${file}.safetensors`, import.meta.url));
  const checkpoint = await openSafetensors(path);
  const compile = async (graph: Graph) => ({ model: await compileModel(graph, checkpoint.read) });
  const opened = await openStages([{ ...graphs, gives: 'output', scale: 4 }], 'cpu', compile);
  const release = async () => {
    await opened.release();
    await checkpoint[Symbol.asyncDispose]();
  };
  return { scale: 4, inputChannels: 3, outputChannels: 3, unit: 1, context: graphs.context, ...opened, release };
}
