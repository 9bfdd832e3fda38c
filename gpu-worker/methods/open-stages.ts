import { dirname } from 'node:path';
import type { Graph } from '../graphs/onnx.ts';
import type { Stage } from '../graphs/stage.ts';
import { WINOGRAD_COLUMNS } from '../graphs/winograd.ts';
import { DEVICES, type Device } from '../runtime/devices.ts';
import { createSession, lazily, type Session } from '../runtime/session.ts';
import { shareWeights } from '../runtime/share-weights.ts';
import type { LoadedStage } from '../tiling/run-stages.ts';

/** A graph with its weights. `weightsDirectory`: where they lie, if not inside. */
interface CompiledGraph {
  model: Uint8Array;
  weightsDirectory?: string;
}

/** To load a graph by Winograd, which has fifteen times as many nodes, takes a while: small tiles never win that back. */
const LEAST_WINOGRAD_PIXELS = 128 ** 2;

/**
 * Sessions of all stages. `compile`: also called later, until they are released, so that no copy of the weights waits beside those of the
 * sessions. Throws AppError as `createSession` does.
 */
export async function openStages(
  stages: readonly Stage[],
  device: Device,
  compile: (graph: Graph) => Promise<CompiledGraph>,
): Promise<{ stages: LoadedStage[]; release(): Promise<void> }> {
  const sessions: Session[] = [];
  const loaded: LoadedStage[] = [];
  const open = async (graph: Graph) => {
    const { model, weightsDirectory } = await compile(graph);
    return await createSession(model, device, { weightsDirectory, keepsMemory: false });
  };
  for (const { graph, byWinograd, ...facts } of stages) {
    const isChosen = byWinograd !== undefined && DEVICES[device].gainsByWinograd;
    const plain = isChosen ? lazily(() => open(graph)) : await open(graph);
    const quick = isChosen ? lazily(() => open(byWinograd)) : plain;
    sessions.push(plain, quick);
    loaded.push({
      ...facts,
      takes: graph.proto.input.map(({ name }) => name),
      ...(isChosen && { rest: () => quick.release() }),
      async run(inputs) {
        const [, , height, width] = Object.values(inputs)[0]!.shape as [number, number, number, number];
        const gains = height * width >= LEAST_WINOGRAD_PIXELS && width % WINOGRAD_COLUMNS === 0;
        return (await (gains ? quick : plain).run(inputs)).output!;
      },
    });
  }
  return {
    stages: loaded,
    async release() {
      for (const session of new Set(sessions)) await session.release();
    },
  };
}

/** For `openStages`: graphs with the weights of an installed model. `model`: the bytes of its ONNX file at `path`. */
export function withWeightsOf(model: Uint8Array, path: string) {
  return async (graph: Graph): Promise<CompiledGraph> => {
    return { model: shareWeights(model, graph), weightsDirectory: dirname(path) };
  };
}
