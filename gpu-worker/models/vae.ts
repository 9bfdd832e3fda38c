import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Flavor, FULL_PRECISION, type Graph } from '../graphs/onnx.ts';
import { vaeStatistics, vaeStretch } from '../graphs/vae.ts';
import { planStages, type StagePlan } from '../graphs/vae-stages.ts';
import { decoderSteps, encoderSteps, type VaeConfig } from '../graphs/vae-steps.ts';
import { createSession, type Device, type Session } from '../runtime/session.ts';
import { shareWeights } from '../runtime/share-weights.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Posterior, splitMoments } from './posterior.ts';

/** The autoencoder of latent diffusion (Rombach et al. 2022, section 3.1). Every call blocks the thread. */
export interface Vae {
  /** Sides of a picture over those of its latent: 8. */
  factor: number;
  /** [1, 3, 8h, 8w], −1..1 → latents [1, c, h, w], not scaled. */
  encode(image: Tensor): Promise<Posterior>;
  /** Latent [1, c, h, w], divided by the scaling factor → [1, 3, 8h, 8w], nominally −1..1, not clamped. */
  decode(latent: Tensor): Promise<Tensor>;
  /** From the picture to the moments, in stages for pictures that are computed tile by tile. */
  encoderStages: PlanVaeStages;
  /** From the latent to the picture. */
  decoderStages: PlanVaeStages;
  release(): Promise<void>;
}

/** `keeps`: whether a value of so many channels, with sides `scale` times the input's, can be held for a whole picture. */
type PlanVaeStages = (keeps: (channels: number, scale: number) => boolean) => VaeStage[];

/** Some layers, see `StagePlan`; sessions are made when they are opened. */
export interface VaeStage extends Pick<StagePlan, 'scale' | 'halo' | 'alignment' | 'attends'> {
  /** Sides at each norm over those of the stage's input. */
  normScales: readonly number[];
  /** What norm `index` has to know of the whole picture, as seen by one tile. */
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
  /** What is known of the whole picture at the stage's norms, in their order: mean and variance, [2, groups]. */
  norms: readonly Tensor[];
  /** What attention looks at: the whole input of the stage. */
  whole?: Tensor | undefined;
}

interface MeasureInput extends RunInput {
  /** The part to look at: top, left, bottom, right at the norm's resolution, the last two exclusive. */
  core: readonly [number, number, number, number];
}

interface VaeOptions {
  config: VaeConfig;
  /** Models of the graphs of the same name: bytes, or paths. */
  models: { encoder: Uint8Array | string; decoder: Uint8Array | string };
  /** That of the models. */
  flavor?: Flavor;
  device: Device;
}

/** Sessions are made at their first use; then throws AppError `engine-failed` as `createSession` does. */
export function createVae({ config, models, flavor = FULL_PRECISION, device }: VaeOptions): Vae {
  const sessions = new Map<keyof typeof models, Promise<Session>>();
  const whole = (part: keyof typeof models) => {
    const session = sessions.get(part) ?? createSession(models[part], device);
    sessions.set(part, session);
    return session;
  };
  const stage = (plan: StagePlan, model: Uint8Array | string): VaeStage => {
    const { steps, norms } = plan;
    const open = (graph: Graph) => openPart(model, graph, device);
    return {
      ...plan,
      normScales: norms.map(({ scale }) => scale),
      async openNorm(index) {
        const before = steps.slice(0, norms[index]!.index);
        const session = await open(vaeStatistics(before, config, { flavor }));
        return {
          run: async ({ tile, core, norms: known }) => {
            const edges = { data: Float32Array.from(core), shape: [4] };
            return (await session.run({ input: tile, core: edges, ...named(known) })).norm!;
          },
          release: () => session.release(),
        };
      },
      async openOutput() {
        const session = await open(vaeStretch(steps, config, { flavor }));
        return {
          run: async ({ tile, norms: known, whole: all }) =>
            (await session.run({ input: tile, ...named(known), ...(plan.attends && { whole: all ?? tile }) })).output!,
          release: () => session.release(),
        };
      },
    };
  };
  return {
    factor: 2 ** (config.block_out_channels.length - 1),
    async encode(image) {
      const { moments } = await (await whole('encoder')).run({ image });
      return splitMoments(moments!);
    },
    async decode(latent) {
      const { image } = await (await whole('decoder')).run({ latent });
      return image!;
    },
    encoderStages: (keeps) => planStages(encoderSteps(config), keeps).map((plan) => stage(plan, models.encoder)),
    decoderStages: (keeps) => planStages(decoderSteps(config), keeps).map((plan) => stage(plan, models.decoder)),
    async release() {
      for (const session of sessions.values()) await (await session).release();
      sessions.clear();
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
