import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Flavor, FULL_PRECISION, type Graph } from '../graphs/onnx.ts';
import type { Device } from '../runtime/devices.ts';
import { createLazySession, createSession, type Session } from '../runtime/session.ts';
import { shareWeights } from '../runtime/share-weights.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { vaeStatistics, vaeStretch } from './vae-graphs.ts';
import { planStages, type StagePlan } from './vae-stages.ts';
import { decoderSteps, encoderSteps, type VaeConfig, type VaeStep } from './vae-steps.ts';

/** Of latents: a normal distribution at each position, both [1, latent channels, h, w]. */
export interface Posterior {
  mean: Tensor;
  logVariance: Tensor;
}

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

interface VaeOptions {
  config: VaeConfig;
  /** Models of the graphs of the same name: bytes, or paths. */
  models: { encoder: Uint8Array | string; decoder: Uint8Array | string };
  /** That of the models. */
  flavor?: Flavor;
  device: Device;
}

/** Outside, the exponential of half of it would leave the range of fp16; as in the published code. */
const LOG_VARIANCE_RANGE = [-30, 20] as const;

/** Everything is loaded at its first use; then throws AppError `engine-failed` as `createSession` does. */
export function createVae(options: VaeOptions): Vae {
  const { config, models, device } = options;
  const encoder = createLazySession(models.encoder, device);
  const decoder = createLazySession(models.decoder, device);
  const stages = (steps: VaeStep[], model: Uint8Array | string): PlanVaeStages => {
    return (keeps) => planStages(steps, keeps).map((plan) => createStage(plan, model, options));
  };
  return {
    factor: 2 ** (config.block_out_channels.length - 1),
    async encode(image) {
      const { moments } = await encoder.run({ image });
      return splitMoments(moments!);
    },
    async decode(latent) {
      const { image } = await decoder.run({ latent });
      return image!;
    },
    encoderStages: stages(encoderSteps(config), models.encoder),
    decoderStages: stages(decoderSteps(config), models.decoder),
    async release() {
      await encoder.release();
      await decoder.release();
    },
  };
}

function createStage(plan: StagePlan, model: Uint8Array | string, options: VaeOptions): VaeStage {
  const { config, flavor = FULL_PRECISION, device } = options;
  const { steps, norms, attends } = plan;
  return {
    ...plan,
    normScales: norms.map(({ scale }) => scale),
    async openNorm(index) {
      const before = steps.slice(0, norms[index]!.index);
      const session = await openPart(model, vaeStatistics(before, config, { flavor }), device);
      return {
        async run({ tile, core, norms: known }) {
          const edges = { data: Float32Array.from(core), shape: [4] };
          const { norm } = await session.run({ input: tile, core: edges, ...named(known) });
          return norm!;
        },
        release: () => session.release(),
      };
    },
    async openOutput() {
      const session = await openPart(model, vaeStretch(steps, config, { flavor }), device);
      return {
        async run({ tile, norms: known, whole = tile }) {
          const { output } = await session.run({ input: tile, ...named(known), ...(attends && { whole }) });
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

/** Halves of [1, 2 · latent channels, h, w]; the second is clamped. */
export function splitMoments({ data, shape }: Tensor): Posterior {
  const [, channels, height, width] = shape as [number, number, number, number];
  const half = [1, channels / 2, height, width];
  const [lowest, highest] = LOG_VARIANCE_RANGE;
  return {
    mean: { data: data.slice(0, data.length / 2), shape: half },
    logVariance: {
      data: data.slice(data.length / 2).map((value) => Math.min(highest, Math.max(lowest, value))),
      shape: half,
    },
  };
}
