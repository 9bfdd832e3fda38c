import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { LATENT_PIXELS, type Span } from '../../shared/tile-plan.ts';
import type { Denoiser } from '../models/denoiser.ts';
import type { SeesrModels } from '../models/seesr.ts';
import { createDdpm } from '../schedulers/ddpm.ts';
import { createDpmSolver } from '../schedulers/dpm-solver.ts';
import { guide } from '../schedulers/guidance.ts';
import { combine, createNoiseSchedule } from '../schedulers/noise-schedule.ts';
import type { SamplerState } from '../schedulers/scheduler.ts';
import { startLatent } from '../schedulers/start-latent.ts';
import { keyedNormals, type NoiseKey } from '../tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';
import type { Checkpoints } from './checkpoint.ts';
import type { DiffusionParameters } from './diffusion.ts';
import { blendTiles, cutTile, type LatentTile, planLatentTiles } from './latent-tiles.ts';
import { encodeTiled } from './tiled-vae.ts';

/** How latents are cut into tiles. */
export interface Tiling {
  /** Side of a tile, in latents. */
  size: number;
  /** Latents by which neighbors overlap, at least. */
  overlap: number;
  /** Repeats the published script: what it takes for one tile, its weights, the borders of its tiles. */
  compat: boolean;
}

/** Normal numbers by what they are for. The product keys them by the seed; comparisons bring their own. */
export type NoiseSource = (purpose: NoiseKey['purpose'], step: number, count: number) => Float32Array;

export function keyedNoise(seed: number): NoiseSource {
  return (purpose, step, count) => keyedNormals({ seed, purpose, step }, count);
}

/** What sampling needs of the models. */
type Networks = Pick<SeesrModels, 'denoiser' | 'vae' | 'schedule' | 'latentChannels' | 'scalingFactor'>;

export interface SampleOptions {
  parameters: DiffusionParameters;
  /** The picture that steers, [1, 3, 8h, 8w], RGB 0..1. */
  condition: Tensor;
  /** [batch, 77, d]: the positive prompt, under guidance the negative one before it. */
  text: Tensor;
  /** [1, 145, 512]. */
  imageEmbeds: Tensor;
  tiling: Tiling;
  noise: NoiseSource;
  /** Looked at between tiles. */
  signal: AbortSignal;
  onEncode?: (tile: number, tiles: number) => void;
  /** `step` counts from 1; `tile` is how many of the step are done. */
  onTile?: (at: { step: number; steps: number; tile: number; tiles: number }) => void;
  /** The latent after each step, which counts from 1; `expectClean`: the clean one that the network now expects. */
  onStep?: (latent: Tensor, step: number, expectClean: () => Tensor) => void;
  /** Noise is keyed by the step, so that the result does not tell where sampling went on. */
  checkpoints?: Checkpoints;
}

/** Latents around a tile that its stem sees as well: more than the eight convolutions of the stem reach. */
const STEM_MARGIN = 4;

/** From noise, or the noised photo, to a clean latent [1, 4, h, w]: all steps, each over all tiles. */
export async function sampleLatent(models: Networks, options: SampleOptions): Promise<Tensor> {
  const { parameters, condition, text, imageEmbeds, tiling, noise, signal, onTile, onStep, checkpoints } = options;
  const [height, width] = condition.shape.slice(2).map((side) => side / LATENT_PIXELS) as [number, number];
  const shape = [1, models.latentChannels, height, width];
  const { schedule, timesteps, step: takeStep } = createScheduler(models, parameters);

  // What stays the same from step to step.
  const resumed = checkpoints?.from;
  const encoded = parameters.start_point === 'lr' && !resumed ? await encodeCondition(models, options) : undefined;
  const conditioning = await models.denoiser.prepare({ text, imageEmbeds, timesteps });
  const tiles = planLatentTiles({ height, width, ...tiling });
  const stems = await computeStems(models.denoiser, condition, tiles, tiling, signal);

  let state: SamplerState = resumed?.state ?? {
    sample: startLatent(schedule, {
      ...(encoded && { encoded }),
      noise: noise('start', 0, elementCount(shape)),
      // The published script always noises to the last timestep, though it never calls it: more noise than it announces.
      timestep: tiling.compat ? parameters.start_steps : timesteps[0]!,
    }),
  };
  const steps = timesteps.length;
  for (let index = resumed?.step ?? 0; index < steps; index++) {
    onTile?.({ step: index + 1, steps, tile: 0, tiles: tiles.length });
    const latent = { data: state.sample, shape };
    const prediction = await blendTiles(tiles, async (tile, position) => {
      await eventLoopTurn();
      signal.throwIfAborted();
      const part = await models.denoiser.predict({
        latent: tiles.length === 1 ? latent : cutTile(latent, tile),
        conditioning,
        step: index,
        stem: stems[position]!,
        conditioningScale: parameters.conditioning_scale,
      });
      onTile?.({ step: index + 1, steps, tile: position + 1, tiles: tiles.length });
      return part;
    });
    const noisePrediction = applyGuidance(prediction, parameters.guidance_scale);
    const drawNoise = () => noise('step', index, state.sample.length);
    const alphaBar = schedule.alphaBar(timesteps[index]!);
    state = takeStep({ state, index, noisePrediction, drawNoise });
    if (index + 1 < steps) checkpoints?.save({ step: index + 1, state });
    onStep?.({ data: state.sample, shape }, index + 1, () => {
      return { data: expectedClean(alphaBar, latent.data, noisePrediction), shape };
    });
  }
  return { data: state.sample, shape };
}

/** (x − √(1−ᾱ)·ε) / √ᾱ (Ho et al. 2020, eq. 4 for x_0). */
function expectedClean(alphaBar: number, sample: Float32Array, noise: Float32Array): Float32Array {
  return combine(1 / Math.sqrt(alphaBar), sample, -Math.sqrt(1 / alphaBar - 1), noise);
}

function createScheduler({ schedule: { spacing, offset, ...noising } }: Networks, parameters: DiffusionParameters) {
  const schedule = createNoiseSchedule(noising);
  const { steps, start_steps: startSteps } = parameters;
  const create = parameters.scheduler === 'ddpm' ? createDdpm : createDpmSolver;
  return { schedule, ...create(schedule, { steps, startSteps, spacing, offset }) };
}

/** A sample of the photo's latent distribution, scaled as the networks want it (Rombach et al. 2022, section 3.1). */
async function encodeCondition(models: Networks, { condition, tiling, noise, signal, onEncode }: SampleOptions) {
  const centered = { data: condition.data.map((value) => 2 * value - 1), shape: condition.shape };
  const { mean, logVariance } = await encodeTiled(models.vae, centered, {
    compat: tiling.compat,
    signal,
    ...(onEncode && { onTile: onEncode }),
  });
  const normals = noise('posterior', 0, mean.data.length);
  return mean.data.map((value, index) => {
    return models.scalingFactor * (value + Math.exp(logVariance.data[index]! / 2) * normals[index]!);
  });
}

/** ControlNet's view of the pixels of each tile, [1, C, h, w]: once for all steps. */
async function computeStems(
  denoiser: Denoiser,
  condition: Tensor,
  tiles: readonly LatentTile[],
  { compat }: Tiling,
  signal: AbortSignal,
): Promise<Tensor[]> {
  const stems: Tensor[] = [];
  for (const tile of tiles) {
    await eventLoopTurn();
    signal.throwIfAborted();
    // The published script sees zeros around every tile.
    const margin = compat ? 0 : STEM_MARGIN;
    const [, , height, width] = condition.shape.map((side) => side / LATENT_PIXELS) as [number, number, number, number];
    const seen = { row: widen(tile.row, margin, height), column: widen(tile.column, margin, width) };
    const stem = await denoiser.stem(cutTile(condition, seen, LATENT_PIXELS));
    stems.push(cutTile(stem, { row: within(tile.row, seen.row), column: within(tile.column, seen.column) }));
  }
  return stems;
}

function widen({ start, size }: Span, margin: number, extent: number): Span {
  const from = Math.max(0, start - margin);
  return { start: from, size: Math.min(extent, start + size + margin) - from };
}

function within({ start, size }: Span, outer: Span): Span {
  return { start: start - outer.start, size };
}

/** [1, 4, h, w] from the predictions for the negative and the positive prompt, or for the positive one alone. */
function applyGuidance({ data, shape }: Tensor, scale: number): Float32Array {
  if (shape[0] === 1) return data;
  const half = data.length / 2;
  return guide(data.subarray(0, half), data.subarray(half), scale);
}
