import { join } from 'node:path';
import { createDenoiser } from '../../../gpu-worker/diffusion/denoiser.ts';
import { fixFloatColors } from '../../../gpu-worker/diffusion/float-color-fix.ts';
import { sampleLatent } from '../../../gpu-worker/diffusion/sample-latent.ts';
import { computeStems } from '../../../gpu-worker/diffusion/stems.ts';
import { controlledUnet } from '../../../gpu-worker/graphs/controlled-unet.ts';
import type { Graph } from '../../../gpu-worker/graphs/onnx.ts';
import { contextGraph, timeGraph } from '../../../gpu-worker/graphs/unet-conditions.ts';
import { toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { pillowResize } from '../../../gpu-worker/images/pillow-resize.ts';
import { resampleTensor } from '../../../gpu-worker/images/resample-tensor.ts';
import { bicubic } from '../../../gpu-worker/images/resampling.ts';
import { hintApart } from '../../../gpu-worker/methods/diffbir/checkpoints.ts';
import { type DiffbirModels, SCALING_FACTOR, SCHEDULE } from '../../../gpu-worker/methods/diffbir/models.ts';
import { diffbirDenoiser, hintStem } from '../../../gpu-worker/methods/diffbir/networks.ts';
import { readSizes } from '../../../gpu-worker/methods/diffbir/sizes.ts';
import { loadNetwork } from '../../../gpu-worker/methods/load-network.ts';
import { openNetworkFile } from '../../../gpu-worker/methods/network-file.ts';
import { compileModel } from '../../../gpu-worker/runtime/compile.ts';
import { createDdim } from '../../../gpu-worker/schedulers/ddim.ts';
import { createContinuousDpmSolver } from '../../../gpu-worker/schedulers/dpm-solver-continuous.ts';
import { createDpmSolverSde } from '../../../gpu-worker/schedulers/dpm-solver-sde.ts';
import { guideByPrompts } from '../../../gpu-worker/schedulers/guidance.ts';
import { addNoise, createNoiseSchedule, type NoiseSchedule } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import type { Predicts } from '../../../gpu-worker/schedulers/predicts.ts';
import type { Scheduler } from '../../../gpu-worker/schedulers/scheduler.ts';
import { createSpacedDdpm } from '../../../gpu-worker/schedulers/spaced-ddpm.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { elementCount } from '../../../gpu-worker/tensor/tensor.ts';
import { cutWindow } from '../../../gpu-worker/tensor/window.ts';
import {
  blendTiles,
  centered,
  cutTile,
  gaussianWindow,
  halfOff,
  type LatentTile,
  planPublishedTiles,
} from '../../../gpu-worker/tiling/latent-tiles.ts';
import { publishedVaeTiles } from '../../../gpu-worker/vae/published-vae-tiles.ts';
import { decodeTiled, encodeTiled } from '../../../gpu-worker/vae/tiled-vae.ts';
import { createVae } from '../../../gpu-worker/vae/vae.ts';
import { vaeDecoder, vaeEncoder } from '../../../gpu-worker/vae/vae-graphs.ts';
import { within } from '../../../gpu-worker/weights/combine.ts';
import { compvisAutoencoder, compvisUnet } from '../../../gpu-worker/weights/compvis.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../../gpu-worker/weights/unwrap.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import { pictureOf } from './diffbir.ts';
import { type LoopTools, recordedNoise, stacked } from './diffbir-v1.ts';

export type V2Models = Pick<DiffbirModels, 'vae' | 'denoiser'> & { release(): Promise<void> };

/** Stable Diffusion 2.1 and the ControlNet of the second version. */
export async function openV2Models(folder: string): Promise<V2Models> {
  const path = (name: string) => join(folder, 'checkpoints', name);
  const sizes = await readSizes(path('config.json'));
  await using stableDiffusion = unwrapped(await openCheckpoint(path('v2-1_512-ema-pruned.ckpt')));
  const count = sizes.unet.layers_per_block;
  const unet = compvisUnet(within(stableDiffusion, 'model.diffusion_model.'), count);
  const vae = compvisAutoencoder(within(stableDiffusion, 'first_stage_model.'), sizes.vae.block_out_channels.length);
  await using control = await openV2Control(folder);
  const config = diffbirDenoiser(sizes.unet);
  const compile = (graph: Graph) =>
    compileModel(graph, (name) => {
      return (name.startsWith('unet.') ? unet : control).read(name.slice(name.indexOf('.') + 1));
    });
  const networks = {
    denoiser: createDenoiser({
      models: {
        context: await compile(contextGraph(config)),
        time: await compile(timeGraph(config)),
        stem: await compile(hintStem(sizes.unet)),
        denoiser: await compile(controlledUnet(config)),
      },
      timeChannels: sizes.unet.block_out_channels[0]!,
      device: PARITY_DEVICE,
    }),
    vae: createVae({
      config: sizes.vae,
      models: {
        encoder: await compileModel(vaeEncoder(sizes.vae), vae.read),
        decoder: await compileModel(vaeDecoder(sizes.vae), vae.read),
      },
      device: PARITY_DEVICE,
    }),
  };
  return {
    ...networks,
    async release() {
      await networks.denoiser.release();
      await networks.vae.release();
    },
  };
}

/** Under the names of the graphs. */
export async function openV2Control(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  const { unet } = await readSizes(path('config.json'));
  return hintApart(compvisUnet(unwrapped(await openCheckpoint(path('v2.pth'))), unet.layers_per_block));
}

const SIGNAL = new AbortController().signal;

type Version = 'v2' | 'v2.1';
type Sampler = 'spaced' | 'edm_dpm++_3m_sde' | 'dpm++_m2' | 'ddim';

interface SamplingParameters {
  version: Version;
  sampler: Sampler;
  steps: number;
  cfg: number;
  rescale?: boolean;
  start?: 'cond';
  noise_aug?: number;
  strength?: number;
  /** In pixels. */
  tile?: number;
  stride?: number;
  /** Other than those of the version, to see what they are for. */
  changed?: { endsInNoise?: boolean; predicts?: Predicts; tiles?(tiles: LatentTile[]): LatentTile[] };
}

function scheduleOf(version: Version, endsInNoise = version === 'v2.1'): NoiseSchedule {
  return createNoiseSchedule({ ...SCHEDULE, endsInNoise });
}

function schedulerOf(schedule: NoiseSchedule, { version, sampler, steps, changed }: SamplingParameters): Scheduler {
  const predicts = changed?.predicts ?? (version === 'v2.1' ? 'velocity' : 'noise');
  const samplers: Record<Sampler, () => Scheduler> = {
    spaced: () => createSpacedDdpm(schedule, { steps, spacing: 'even', offset: 0, predicts }),
    'edm_dpm++_3m_sde': () => createDpmSolverSde(schedule, { steps, predicts }),
    'dpm++_m2': () => createContinuousDpmSolver(schedule, { steps, predicts }),
    ddim: () => createDdim(schedule, { steps, eta: 0 }),
  };
  return samplers[sampler]();
}

/** Guidance that grows as the noise falls. */
function growingGuidance(cfg: number, timestep: number): number {
  return 1 + (cfg * (1 - Math.cos(Math.PI * ((1000 - timestep) / 1000) ** 5))) / 2;
}

/** From a hint, not padded, to a clean latent; `latents` and `denoised` after every step. */
async function sample(
  models: V2Models,
  recorded: RecordedCase,
  { hint: clean, text, parameters }: { hint: Tensor; text: Tensor; parameters: SamplingParameters },
) {
  const { cfg, rescale, start, noise_aug, strength = 1, tile, stride, changed } = parameters;
  const schedule = scheduleOf(parameters.version, changed?.endsInNoise);
  const scheduler = schedulerOf(schedule, parameters);
  const { shape } = clean;
  const [height, width] = shape.slice(2) as [number, number];
  const initial = await recorded.tensor('initial_noise');
  const sampleAtStart =
    start === 'cond' ? addNoise(schedule, clean.data as Float32Array, initial.data, 999) : initial.data;
  const hint = noise_aug
    ? {
        ...clean,
        data: addNoise(schedule, clean.data as Float32Array, (await recorded.tensor('augment_noise')).data, noise_aug),
      }
    : clean;
  const { timesteps } = scheduler;
  const conditioning = await models.denoiser.prepare({ contexts: { text }, timesteps });
  const planned = tilesOf({ height, width }, tile, stride);
  const tiles = changed?.tiles?.(planned) ?? planned;
  const stems = await computeStems(models.denoiser, hint, tiles, { scale: 1, margin: 0, signal: SIGNAL });
  const latents: Tensor[] = [];
  const denoised: Tensor[] = [];
  let guided = 0;
  const noise = recorded.inputNames.includes('step_noise') ? await recordedNoise(recorded) : undefined;
  const latent = await sampleLatent({
    shape,
    scheduler,
    start: { step: 0, state: { sample: sampleAtStart } },
    tiles,
    predict: (one, part, step) =>
      models.denoiser.predict({ latent: part, conditioning, step, stem: stems.get(one)!, conditioningScale: strength }),
    guide: (predictions) => {
      const scale = rescale ? growingGuidance(cfg, timesteps[guided]!) : cfg;
      guided++;
      return guideByPrompts(predictions, scale);
    },
    drawNoise: (index) => noise!('step', index, elementCount(shape)),
    watch: {
      signal: SIGNAL,
      onStep(one, _step, expectClean) {
        latents.push(one);
        denoised.push(expectClean());
      },
    },
  });
  return { latent, latents: stacked(latents), denoised: stacked(denoised) };
}

/** The latent is one tile where a tile is longer than one of its sides. */
function tilesOf({ height, width }: { height: number; width: number }, tile?: number, stride?: number): LatentTile[] {
  const size = tile === undefined ? Infinity : tile / 8;
  if (tile === undefined || Math.min(height, width) < size) {
    return planPublishedTiles({ height, width, size: Math.max(height, width), overlap: 0 });
  }
  return planPublishedTiles({ height, width, size, overlap: size - stride! / 8 });
}

interface Words {
  positive?: string;
  negative?: string;
}

export async function computeLoopV2(
  recorded: RecordedCase,
  models: V2Models,
  { encode }: LoopTools,
): Promise<Computed> {
  const parameters = recorded.parameters as unknown as SamplingParameters & Words;
  const { positive = '', negative = '' } = parameters;
  const hint = await encoded(models, await pictureOf(recorded, 'condition_image'));
  const text = await encode([negative, positive]);
  const { latent, ...steps } = await sample(models, recorded, { hint, text, parameters });
  const image = await models.vae.decode(unscaled(latent));
  return { outputs: { ...steps, latent, image, tile_weights: tileWeights((parameters.tile ?? 64) / 8) } };
}

function tileWeights(size: number): Tensor {
  const span = { start: 0, size, first: true, last: true };
  const [row, column] = [gaussianWindow(halfOff), gaussianWindow(centered)];
  const data = Float32Array.from({ length: size * size }, (_, index) => {
    return row(Math.floor(index / size), span) * column(index % size, span);
  });
  return { data, shape: [size, size] };
}

function unscaled({ data, shape }: Tensor): Tensor {
  return { data: data.map((value) => value / SCALING_FACTOR), shape };
}

/** The mean of the encoder, scaled; `tile`: its side in pixels, where it is computed by tiles. */
async function encoded({ vae }: Pick<V2Models, 'vae'>, picture: Tensor, tile?: number | null): Promise<Tensor> {
  const centeredPicture = { ...picture, data: picture.data.map((value) => 2 * value - 1) };
  const { mean } = tile
    ? await encodeTiled(vae, centeredPicture, { tiling: publishedVaeTiles(tile) })
    : await vae.encode(centeredPicture);
  return { ...mean, data: mean.data.map((value) => value * SCALING_FACTOR) };
}

async function decoded({ vae }: Pick<V2Models, 'vae'>, latent: Tensor, tile?: number | null): Promise<Tensor> {
  return tile
    ? await decodeTiled(vae, unscaled(latent), { tiling: publishedVaeTiles(tile / 8) })
    : await vae.decode(unscaled(latent));
}

export async function computeEncode(recorded: RecordedCase, models: V2Models, { models: v1 }: LoopTools) {
  const picture = await pictureOf(recorded, 'image');
  const { logVariance } = await models.vae.encode({ ...picture, data: picture.data.map((value) => 2 * value - 1) });
  const outputs = {
    condition: await encoded(v1, picture),
    first_stage: await encoded(models, picture),
    logvar: logVariance,
  };
  return { outputs };
}

export async function computeDecode(recorded: RecordedCase, models: V2Models): Promise<Computed> {
  return { outputs: { image: await decoded(models, await recorded.tensor('latent')) } };
}

export async function computeTiledVae(recorded: RecordedCase, models: V2Models): Promise<Computed> {
  const { encoder_tile, decoder_tile } = recorded.parameters as Record<string, number>;
  const latent = await recorded.tensor('latent');
  return {
    outputs: {
      condition: await encoded(models, await pictureOf(recorded, 'image'), encoder_tile),
      image_out: await decoded(models, latent, 8 * decoder_tile!),
    },
  };
}

export async function computeSchedulerV21({ parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const { edm, ddim_timesteps, rescaled_cfg, cfg_scale, steps } = parameters as {
    edm: Record<string, { timesteps: number[]; sigmas: number[] }>;
    ddim_timesteps: Record<string, number[]>;
    rescaled_cfg: Record<string, number>;
    cfg_scale: number;
    steps: number;
  };
  const schedule = scheduleOf('v2.1');
  const facts = Object.entries(edm).flatMap(([count, { timesteps, sigmas }]): Fact[] => {
    const scheduler = createDpmSolverSde(schedule, { steps: Number(count), predicts: 'velocity' });
    const [one, zero] = [Float32Array.of(1), Float32Array.of(0)];
    return [
      { name: `timesteps of edm ${count}`, actual: [...scheduler.timesteps, 0], expected: timesteps },
      ...scheduler.timesteps.map((_, index): Fact => {
        // Of a sample of unit variance 1 / √(1 + σ²) is taken for the clean latent.
        const clean = scheduler.expectClean({ sample: one, index, prediction: zero })[0]!;
        const expected = sigmas[index]!;
        const actual = Math.sqrt(1 / clean ** 2 - 1);
        return { name: `sigma ${index} of edm ${count}`, actual, expected, tolerance: 1e-5 * expected };
      }),
    ];
  });
  for (const [count, expected] of Object.entries(ddim_timesteps)) {
    const { timesteps: actual } = createDdim(scheduleOf('v2'), { steps: Number(count), eta: 0 });
    facts.push({ name: `timesteps of ddim ${count}`, actual, expected });
  }
  for (const [timestep, expected] of Object.entries(rescaled_cfg)) {
    const actual = growingGuidance(cfg_scale, Number(timestep));
    facts.push({ name: `guidance at ${timestep}`, actual, expected, tolerance: 1e-9 });
  }
  const alphas = Array.from({ length: schedule.trainSteps }, (_, timestep) => schedule.alphaBar(timestep));
  const outputs: Computed['outputs'] = { alphas_cumprod: { data: alphas, shape: [alphas.length] } };
  const scheduler = createSpacedDdpm(schedule, { steps, spacing: 'even', offset: 0, predicts: 'velocity' });
  const { data: sampled, shape } = await recorded.tensor('sample');
  const { data: prediction } = await recorded.tensor('v');
  for (const name of recorded.outputNames.filter((one) => one.startsWith('step_'))) {
    const index = Number(name.slice('step_'.length));
    const { data: noise } = await recorded.tensor(`noise_${index}`);
    const next = scheduler.step({
      state: { sample: sampled },
      index: steps - 1 - index,
      prediction,
      drawNoise: () => noise,
    });
    outputs[name] = { data: next.sample, shape };
  }
  return { outputs, facts };
}

/** BSRNet with the values on the way, under its names. */
export async function computeBsrnet(recorded: RecordedCase): Promise<Computed> {
  const values = await runBsrnet(recorded.folder, (run) => pictureOf(recorded, 'image').then(run));
  const names: readonly [RegExp, string][] = [
    [/^block_first$/, 'conv_first'],
    [/^block_trunk/, 'RRDB_trunk.'],
    [/^block_after_trunk$/, 'trunk_conv'],
    [/^block_hr$/, 'HRconv'],
    [/^output$/, 'out'],
  ];
  return {
    outputs: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [names.reduce((one, rule) => one.replace(...rule), name), value]),
    ),
  };
}

type Run = (picture: Tensor) => Promise<Record<string, Tensor>>;

async function runBsrnet<Result>(folder: string, use: (run: Run) => Promise<Result>): Promise<Result> {
  await using file = await openNetworkFile(join(folder, 'checkpoints', 'BSRNet.pth'));
  const network = await loadNetwork(file, PARITY_DEVICE, { probes: true });
  try {
    return await use((picture) => network.run(picture));
  } finally {
    await network.release();
  }
}

interface ScriptParameters extends Omit<SamplingParameters, 'tile' | 'stride'> {
  upscale: number;
  pos: string;
  neg: string;
  /** Tile and stride in pixels; what is missing or null runs without tiles. */
  cleaner?: [number, number] | null;
  cldm?: [number, number] | null;
  encoder?: number | null;
  decoder?: number | null;
}

/** The whole script of the second version, photo to picture. */
export async function computeScriptV2(recorded: RecordedCase, models: V2Models, tools: LoopTools): Promise<Computed> {
  const parameters = recorded.parameters as unknown as ScriptParameters;
  const { version, upscale, pos, neg, cldm, encoder, decoder } = parameters;
  const photo = await recorded.image('image');
  const asked = { width: Math.trunc(photo.width * upscale), height: Math.trunc(photo.height * upscale) };
  const stage1 =
    version === 'v2'
      ? await cleanedByBsrnet(recorded.folder, toTensor(photo), asked, parameters.cleaner)
      : await cleanedBySwinir(tools, toTensor(pillowResize(photo, asked.width, asked.height)));
  const [height, width] = stage1.shape.slice(2) as [number, number];
  const unit = encoder || cldm ? 8 : 64;
  const hint = await encoded(models, padded(stage1, unit), encoder);
  const text = await tools.encode([neg, pos]);
  const sampling = { ...parameters, ...(cldm && { tile: cldm[0], stride: cldm[1] }) };
  const { latent } = await sample(models, recorded, { hint, text, parameters: sampling });
  const whole = { top: 0, left: 0, height, width };
  const picture = cutWindow(await decoded(models, latent, decoder), whole);
  const shown = { ...picture, data: picture.data.map((value) => (value + 1) / 2) };
  const fixed = resampleTensor(fixFloatColors(shown, stage1, 'wavelet'), asked, bicubic);
  return {
    outputs: { stage1, condition: hint, latent, decoded: picture, picture: truncated(fixed) },
    facts: [
      { name: 'stage1_size', actual: [width, height], expected: recorded.parameters.stage1_size },
      { name: 'picture', actual: [asked.width, asked.height], expected: recorded.parameters.picture },
    ],
  };
}

/** Four times as large, then as was asked for, at least 512 pixels a side. */
async function cleanedByBsrnet(
  folder: string,
  photo: Tensor,
  asked: { width: number; height: number },
  tiling: ScriptParameters['cleaner'],
): Promise<Tensor> {
  const [height, width] = photo.shape.slice(2) as [number, number];
  const enlarged = await runBsrnet(folder, async (run) => {
    const output = async (picture: Tensor) => (await run(picture)).output!;
    if (!tiling || Math.min(height, width) < tiling[0]) return await output(photo);
    const [size, stride] = tiling;
    const cuts = planPublishedTiles({ height, width, size, overlap: size - stride });
    const places = planPublishedTiles({
      height: 4 * height,
      width: 4 * width,
      size: 4 * size,
      overlap: 4 * (size - stride),
    });
    return await blendTiles(places, (_, index) => output(cutTile(photo, cuts[index]!)));
  });
  return atLeast512(enlarged, asked);
}

async function cleanedBySwinir({ models }: LoopTools, picture: Tensor): Promise<Tensor> {
  const [height, width] = picture.shape.slice(2) as [number, number];
  const large = atLeast512(picture, { height, width });
  const { output } = await models.firstStage.run(padded(large, 64));
  const [top, left] = [0, 0];
  return cutWindow(output!, { top, left, height: large.shape[2]!, width: large.shape[3]! });
}

function atLeast512(picture: Tensor, asked: { width: number; height: number }): Tensor {
  const [height, width] = picture.shape.slice(2) as [number, number];
  const short = Math.min(height, width);
  const side = (one: number) => (one === short ? 512 : Math.trunc((one * 512) / short));
  return resampleTensor(picture, short < 512 ? { width: side(width), height: side(height) } : asked, bicubic);
}

function padded(picture: Tensor, unit: number): Tensor {
  const [, channels, height, width] = picture.shape as [number, number, number, number];
  const [newHeight, newWidth] = [height, width].map((side) => Math.ceil(side / unit) * unit) as [number, number];
  const data = new Float32Array(channels * newHeight * newWidth);
  for (let line = 0; line < channels * height; line++) {
    const row = picture.data.subarray(line * width, (line + 1) * width);
    data.set(row, (Math.floor(line / height) * newHeight + (line % height)) * newWidth);
  }
  return { data, shape: [1, channels, newHeight, newWidth] };
}

function truncated({ data, shape }: Tensor): Computed['outputs'][string] {
  const [, , height, width] = shape as [number, number, number, number];
  const area = height * width;
  const pixels = Array.from({ length: 3 * area }, (_, index) => {
    const value = Math.fround(data[(index % 3) * area + Math.floor(index / 3)]! * 255);
    return Math.trunc(Math.min(255, Math.max(0, value)));
  });
  return { data: pixels, shape: [height, width, 3] };
}
