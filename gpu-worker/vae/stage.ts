import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Flavor, FULL_PRECISION, type Graph } from '../graphs/onnx.ts';
import type { Device } from '../runtime/devices.ts';
import { createSession, type Session } from '../runtime/session.ts';
import { shareWeights } from '../runtime/share-weights.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { StagePlan } from './plan-stages.ts';
import { statisticsGraph, stretchGraph } from './step-graphs.ts';
import { windowInputs } from './swin-blocks.ts';

/** Some layers, see `StagePlan`; sessions are made when they are opened. */
export interface Stage extends Pick<StagePlan, 'scale' | 'halo' | 'alignment' | 'attends'> {
  /** Sides at each norm over those of the stage's input. */
  normScales: readonly number[];
  /** The statistics of the whole picture for norm `index`, as seen by one tile. */
  openNorm(index: number): Promise<Pass<MeasureInput>>;
  /** The result of the stage on a tile. */
  openOutput(): Promise<Pass<RunInput>>;
}

interface Pass<Input> {
  run(input: Input): Promise<Tensor>;
  release(): Promise<void>;
}

interface RunInput {
  tile: Tensor;
  /** The statistics of the whole picture at the stage's norms, in their order: mean and variance, [2, groups]. */
  norms: readonly Tensor[];
  /** The target of attention: the whole input of the stage. */
  whole?: Tensor | undefined;
}

interface MeasureInput extends RunInput {
  /** The part to look at: top, left, bottom, right at the norm's resolution, the last two exclusive. */
  core: readonly [number, number, number, number];
}

interface StageOptions {
  /** The compiled network whose weights the stage takes: bytes, or a path. */
  model: Uint8Array | string;
  /** Of its norms. */
  groups: number;
  /** That of the model. */
  flavor?: Flavor | undefined;
  device: Device;
}

export function createStage(plan: StagePlan, options: StageOptions): Stage {
  const { model, groups, flavor = FULL_PRECISION, device } = options;
  const { steps, norms, attends } = plan;
  return {
    ...plan,
    normScales: norms.map(({ scale }) => scale),
    async openNorm(index) {
      const before = steps.slice(0, norms[index]!.index);
      const session = await openPart(model, statisticsGraph(before, groups, { flavor }), device);
      return {
        async run({ tile, core, norms: known }) {
          const edges = { data: Float32Array.from(core), shape: [4] };
          const { norm } = await session.run({
            input: tile,
            core: edges,
            ...named(known),
            ...windowInputs(before, tile),
          });
          return norm!;
        },
        release: () => session.release(),
      };
    },
    async openOutput() {
      const session = await openPart(model, stretchGraph(steps, groups, { flavor }), device);
      return {
        async run({ tile, norms: known, whole = tile }) {
          const inputs = { input: tile, ...named(known), ...(attends && { whole }), ...windowInputs(steps, tile) };
          const { output } = await session.run(inputs);
          return output!;
        },
        release: () => session.release(),
      };
    },
  };
}

/** A session of a part of a compiled network. */
async function openPart(model: Uint8Array | string, graph: Graph, device: Device): Promise<Session> {
  if (typeof model !== 'string') return await createSession(shareWeights(model, graph), device);
  const bytes = shareWeights(await readFile(model), graph);
  return await createSession(bytes, device, { weightsDirectory: dirname(model) });
}

function named(norms: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(norms.map((norm, index) => [`norm.${index}`, norm]));
}
