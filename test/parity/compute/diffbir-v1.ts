import { fixFloatColors } from '../../../gpu-worker/diffusion/float-color-fix.ts';
import { sampleLatent } from '../../../gpu-worker/diffusion/sample-latent.ts';
import { pillowResize } from '../../../gpu-worker/images/pillow-resize.ts';
import { bicubic, lanczos } from '../../../gpu-worker/images/resampling.ts';
import type { Mode } from '../../../gpu-worker/methods/diffbir/mode.ts';
import { type DiffbirModels, SCALING_FACTOR } from '../../../gpu-worker/methods/diffbir/models.ts';
import { preparePublished, publishedMode, publishedSizes } from '../../../gpu-worker/methods/diffbir/published-mode.ts';
import { denoise, restoreByDiffbir, unscaled } from '../../../gpu-worker/methods/diffbir/recipe.ts';
import { SCHEDULE } from '../../../gpu-worker/methods/diffbir/versions.ts';
import { ddpmStep } from '../../../gpu-worker/schedulers/ddpm.ts';
import { guideLatent } from '../../../gpu-worker/schedulers/latent-guidance.ts';
import { createNoiseSchedule } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import { createSpacedDdpm } from '../../../gpu-worker/schedulers/spaced-ddpm.ts';
import type { NoiseSource } from '../../../gpu-worker/tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { blendTiles, cutTile } from '../../../gpu-worker/tiling/latent-tiles.ts';
import type { ColorFix } from '../../../shared/methods/parameters.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';
import { pictureOf } from './diffbir.ts';

type Sides = [width: number, height: number];
interface Sizes {
  input: Sides;
  scaled: Sides;
  resized: Sides;
  padded: Sides;
}

const FROM_NOISE = { start_point: 'noise', start_steps: 999 } as const;
const SIGNAL = new AbortController().signal;

/** The picture on its way to the first stage. */
export async function computePrepare({ parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const {
    sr_scale: scale,
    shortest: least,
    sizes,
  } = parameters as { sr_scale: number; shortest: number; sizes: Sizes[] };
  const facts = sizes.map(({ input, ...expected }): Fact => {
    return { name: `sizes of ${input}`, actual: sidesOf(publishedSizes(sized(input), { scale, least })), expected };
  });
  const outputs: Computed['outputs'] = {};
  const small = parameters.small as ({ sr_scale: number; shortest: number } & Omit<Sizes, 'input'>)[];
  for (const [index, { sr_scale, shortest, ...expected }] of small.entries()) {
    const photo = await recorded.image(`in${index}`);
    const options = { scale: sr_scale, least: shortest };
    facts.push({ name: `sizes of in${index}`, actual: sidesOf(publishedSizes(photo, options)), expected });
    const { data, shape } = preparePublished(photo, options).picture;
    outputs[`out${index}`] = { data: interleaved(data, 255), shape: [shape[2]!, shape[3]!, 3] };
  }
  return { outputs, facts };
}

const sized = ([width, height]: Sides) => ({ width, height });

function sidesOf(sizes: ReturnType<typeof publishedSizes>) {
  return Object.fromEntries(Object.entries(sizes).map(([name, { width, height }]) => [name, [width, height]]));
}

function interleaved(planes: Float32Array, unit: number): number[] {
  const area = planes.length / 3;
  return Array.from(planes, (_, index) => Math.round(planes[(index % 3) * area + Math.floor(index / 3)]! * unit));
}

export async function computeResize(recorded: RecordedCase): Promise<Computed> {
  const outputs: Computed['outputs'] = {};
  const resizes = recorded.parameters.resizes as { to: Sides; filter: 'bicubic' | 'lanczos' }[];
  for (const [index, { to, filter }] of resizes.entries()) {
    const kernel = filter === 'lanczos' ? lanczos : bicubic;
    const { data, width, height } = pillowResize(await recorded.image(`in${index}`), ...to, kernel);
    outputs[`out${index}`] = { data, shape: [height, width, 3] };
  }
  return { outputs };
}

export async function computeColor(recorded: RecordedCase): Promise<Computed> {
  const outputs: Computed['outputs'] = {};
  for (const name of recorded.outputNames) {
    const [, method, index] = /^(adain|wavelet)(\d+)$/.exec(name)!;
    const style = await pictureOf(recorded, `style${index}`);
    outputs[name] = fixFloatColors(await recorded.tensor(`content${index}`), style, method as ColorFix);
  }
  return { outputs };
}

export async function computeScheduler({ parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const { linear_start, linear_end, train_steps, timesteps } = parameters as {
    linear_start: number;
    linear_end: number;
    train_steps: number;
    timesteps: Record<string, number[]>;
  };
  const given = { ...SCHEDULE, betaStart: linear_start, betaEnd: linear_end, trainSteps: train_steps };
  const schedule = createNoiseSchedule(given);
  const sampler = (steps: number) => createSpacedDdpm(schedule, { steps, spacing: 'even', offset: 0 });
  const facts = Object.entries(timesteps).map(([steps, expected]): Fact => {
    return { name: `timesteps ${steps}`, actual: sampler(Number(steps)).timesteps, expected };
  });
  const steps = Number(parameters.steps);
  const scheduler = sampler(steps);
  // The last step has index 0.
  const at = (index: number) => steps - 1 - index;
  const table = (value: (timestep: number, previous: number) => number) => {
    const data = Array.from({ length: steps }, (_, index) => {
      return value(scheduler.timesteps[at(index)]!, scheduler.timesteps[at(index) + 1] ?? -1);
    });
    return { data, shape: [steps] };
  };
  const outputs: Computed['outputs'] = {
    sqrt_recip_alphas_cumprod: table((timestep) => 1 / Math.sqrt(schedule.alphaBar(timestep))),
    sqrt_recipm1_alphas_cumprod: table((timestep) => Math.sqrt(1 / schedule.alphaBar(timestep) - 1)),
    posterior_mean_coef1: table((timestep, previous) => ddpmStep(schedule, timestep, previous).clean),
    posterior_mean_coef2: table((timestep, previous) => ddpmStep(schedule, timestep, previous).sample),
    posterior_variance: table((timestep, previous) => ddpmStep(schedule, timestep, previous).noise ** 2),
  };
  const { data: sample, shape } = await recorded.tensor('sample');
  const { data: prediction } = await recorded.tensor('eps');
  for (const name of recorded.outputNames.filter((one) => one.startsWith('step_'))) {
    const index = Number(name.slice('step_'.length));
    const { data: noise } = await recorded.tensor(`noise_${index}`);
    const next = scheduler.step({ state: { sample }, index: at(index), prediction, drawNoise: () => noise });
    outputs[name] = { data: next.sample, shape };
  }
  return { outputs, facts };
}

/** Draws that were recorded, in their order; not all are in every case. */
export async function recordedNoise(recorded: RecordedCase): Promise<NoiseSource> {
  const draws = { start: 'initial_noise', step: 'step_noise', augment: 'augment_noise' };
  const names = Object.entries(draws).filter(([, name]) => recorded.inputNames.includes(name));
  const tensors = new Map<string, Float32Array>();
  for (const [purpose, name] of names) tensors.set(purpose, (await recorded.tensor(name)).data as Float32Array);
  return (purpose, step, count) => tensors.get(purpose)!.slice(step * count, (step + 1) * count);
}

export interface LoopTools {
  models: DiffbirModels;
  /** Hidden states of prompts. */
  encode(prompts: readonly string[]): Promise<Tensor>;
}

/** Sampling from a condition to the picture, in one piece or, where the case says so, in the script's tiles. */
export async function computeLoop(recorded: RecordedCase, { models, encode }: LoopTools): Promise<Computed> {
  const {
    steps,
    cfg = 1,
    strength = 1,
    positive = '',
    negative = '',
    tile,
    stride,
    color = 'wavelet',
  } = recorded.parameters as unknown as LoopParameters;
  const condition = await pictureOf(recorded, 'condition_image');
  const mode = publishedMode(tile === undefined ? {} : { tile: { size: tile, stride: stride! } });
  const latents: Tensor[] = [];
  const predictions: Tensor[] = [];
  const denoiser: DiffbirModels['denoiser'] = {
    ...models.denoiser,
    predict: async (input) => {
      const prediction = await models.denoiser.predict(input);
      predictions.push(prediction);
      return prediction;
    },
  };
  const latent = await denoise(
    { ...models, denoiser },
    {
      parameters: { ...FROM_NOISE, steps, conditioning_scale: strength, guidance_scale: cfg },
      mode,
      condition,
      text: await encode(cfg === 1 ? [positive] : [negative, positive]),
      noise: await recordedNoise(recorded),
      watch: { signal: SIGNAL, onStep: (one) => latents.push(one) },
    },
  );
  const [height, width] = latent.shape.slice(2) as [number, number];
  const tiles = mode.latentTiles(height, width);
  const eps: Tensor[] = [];
  for (let step = 0; step < steps; step++) {
    eps.push(await blendTiles(tiles, async (_, index) => predictions[step * tiles.length + index]!));
  }
  const decoding = { condition, colorFix: color, signal: SIGNAL };
  return {
    outputs: {
      condition: await hintOf(models, condition),
      latents: stacked(latents),
      ...(recorded.outputNames.includes('eps') && { eps: stacked(eps) }),
      image: await mode.decode(models.vae, unscaled(latent), decoding),
    },
  };
}

interface GuidanceParameters {
  steps: number;
  scale: number;
  t_start: number;
  t_stop: number;
  repeat: number;
}

/** With guidance by the latent of the condition, as `vae`, the one of Stable Diffusion, sees it. */
export async function computeGuidedLoop(
  recorded: RecordedCase,
  { models, encode }: LoopTools,
  vae: DiffbirModels['vae'],
): Promise<Computed> {
  const {
    steps,
    scale,
    t_start: start,
    t_stop: stop,
    repeat: repeats,
  } = recorded.parameters as unknown as GuidanceParameters;
  const condition = await pictureOf(recorded, 'condition_image');
  const { mean, logVariance } = await vae.encode({ ...condition, data: condition.data.map((value) => 2 * value - 1) });
  const { shape } = mean;
  const count = elementCount(shape);
  const draws = (await recorded.tensor('posterior_noise')).data;
  let drawn = 0;
  const drawTarget = () => {
    const normals = draws.subarray(drawn * count, (drawn + 1) * count);
    drawn++;
    return Float32Array.from(mean.data, (value, index) => {
      return SCALING_FACTOR * (value + Math.exp(logVariance.data[index]! / 2) * normals[index]!);
    });
  };
  const unguided = createSpacedDdpm(createNoiseSchedule(SCHEDULE), { steps, spacing: 'even', offset: 0 });
  const area = count / shape[1]!;
  const scheduler = guideLatent(unguided, { scale, start, stop, repeats, area, drawTarget });
  const conditioning = await models.denoiser.prepare({
    contexts: { text: await encode(['']) },
    timesteps: scheduler.timesteps,
  });
  const hint = await hintOf(models, condition);
  const stem = await models.denoiser.stem(hint);
  const mode = publishedMode();
  const noise = await recordedNoise(recorded);
  const latents: Tensor[] = [];
  const latent = await sampleLatent({
    shape,
    scheduler,
    start: { step: 0, state: { sample: noise('start', 0, count) } },
    tiles: mode.latentTiles(shape[2]!, shape[3]!),
    predict: (_, part, step) =>
      models.denoiser.predict({ latent: part, conditioning, step, stem, conditioningScale: 1 }),
    drawNoise: (index) => noise('step', index, count),
    watch: { signal: SIGNAL, onStep: (one) => latents.push(one) },
  });
  const decoding = { condition, colorFix: 'wavelet', signal: SIGNAL } as const;
  const image = await mode.decode(models.vae, unscaled(latent), decoding);
  return { outputs: { condition: hint, latents: stacked(latents), image } };
}

interface LoopParameters {
  steps: number;
  cfg?: number;
  strength?: number;
  positive?: string;
  negative?: string;
  tile?: number;
  stride?: number;
  color?: ColorFix;
}

/** The mean of the encoder, scaled. */
async function hintOf({ vae }: Pick<DiffbirModels, 'vae'>, condition: Tensor): Promise<Tensor> {
  const { mean } = await vae.encode({ ...condition, data: condition.data.map((value) => 2 * value - 1) });
  return { ...mean, data: mean.data.map((value) => value * SCALING_FACTOR) };
}

export function stacked(tensors: readonly Tensor[]): Tensor {
  const shape = [tensors.length, ...tensors[0]!.shape.slice(1)];
  const data = new Float32Array(elementCount(shape));
  for (const [index, tensor] of tensors.entries()) data.set(tensor.data, index * tensor.data.length);
  return { data, shape };
}

/** The whole script, photo to picture. */
export async function computeScript(recorded: RecordedCase, { models }: LoopTools): Promise<Computed> {
  const { parameters } = recorded;
  const { sr_scale: scale, steps, tile, stride, color } = parameters as unknown as ScriptParameters;
  const mode = publishedMode({ scale, ...(tile !== undefined && { tile: { size: tile, stride: stride! } }) });
  const photo = await recorded.image('image');
  const seen: Record<string, Tensor> = {};
  const watched: Mode = {
    ...mode,
    async decode(vae, latent, options) {
      seen.stage1 = options.condition;
      const [height, width] = latent.shape.slice(2) as [number, number];
      for (const [index, one] of mode.latentTiles(height, width).entries()) {
        const part = cutTile(latent, one);
        seen[`latent_tile${index}`] = { ...part, data: part.data.map((value) => value * SCALING_FACTOR) };
      }
      seen.fixed = await mode.decode(vae, latent, options);
      return seen.fixed;
    },
  };
  const { picture } = await restoreByDiffbir(photo, models, {
    parameters: { ...FROM_NOISE, steps, conditioning_scale: 1, color_fix: color },
    mode: watched,
    noise: await recordedNoise(recorded),
    onProgress: () => {},
    signal: SIGNAL,
  });
  const sizes = publishedSizes(photo, { scale, least: tile ?? 512 });
  return {
    outputs: { ...seen, picture: { data: picture.data, shape: [picture.height, picture.width, 3] } },
    facts: Object.entries(sidesOf(sizes)).map(([name, actual]) => ({ name, actual, expected: parameters[name] })),
  };
}

interface ScriptParameters {
  sr_scale: number;
  steps: number;
  tile?: number;
  stride?: number;
  color: ColorFix;
}
