import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hintApart } from '../../../gpu-worker/methods/diffbir/checkpoints.ts';
import { diffbirV2Engine, diffbirV21Engine } from '../../../gpu-worker/methods/diffbir/engine.ts';
import { encodeHint } from '../../../gpu-worker/methods/diffbir/hint.ts';
import type { Mode } from '../../../gpu-worker/methods/diffbir/mode.ts';
import { type DiffbirModels, loadDiffbir, SCALING_FACTOR } from '../../../gpu-worker/methods/diffbir/models.ts';
import { WHOLE } from '../../../gpu-worker/methods/diffbir/published-mode.ts';
import { cleanPublished, laterPublishedMode } from '../../../gpu-worker/methods/diffbir/published-mode-v2.ts';
import { denoise, restoreByDiffbir, unscaled } from '../../../gpu-worker/methods/diffbir/recipe.ts';
import { readSizes } from '../../../gpu-worker/methods/diffbir/sizes.ts';
import {
  type LaterVersion,
  MODELS,
  scheduleOf,
  VERSIONS,
  type VersionFacts,
} from '../../../gpu-worker/methods/diffbir/versions.ts';
import type { MethodEngine } from '../../../gpu-worker/methods/engine.ts';
import { loadNetwork } from '../../../gpu-worker/methods/load-network.ts';
import { openNetworkFile } from '../../../gpu-worker/methods/network-file.ts';
import { buildModel } from '../../../gpu-worker/model-store/build.ts';
import { directoryOf } from '../../../gpu-worker/model-store/installed.ts';
import { createDdim } from '../../../gpu-worker/schedulers/ddim.ts';
import { createDpmSolverSde } from '../../../gpu-worker/schedulers/dpm-solver-sde.ts';
import { risingGuidance } from '../../../gpu-worker/schedulers/guidance.ts';
import { createSpacedDdpm } from '../../../gpu-worker/schedulers/spaced-ddpm.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { cutWindow } from '../../../gpu-worker/tensor/window.ts';
import { centered, gaussianWindow, halfOff, type LatentTile } from '../../../gpu-worker/tiling/latent-tiles.ts';
import { publishedVaeTiles } from '../../../gpu-worker/vae/published-vae-tiles.ts';
import { decodeTiled } from '../../../gpu-worker/vae/tiled-vae.ts';
import { compvisUnet } from '../../../gpu-worker/weights/compvis.ts';
import { openCheckpoint } from '../../../gpu-worker/weights/open-checkpoint.ts';
import { unwrapped } from '../../../gpu-worker/weights/unwrap.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';
import { PARITY_DEVICE } from '../device.ts';
import { CLIP_VOCABULARY, pictureOf } from './diffbir.ts';
import { type LoopTools, recordedNoise, stacked } from './diffbir-v1.ts';

/** Both later versions of a set. That of v2.1 has the files of the others in the place of its own. */
export type V2Models = Record<LaterVersion, DiffbirModels> & { release(): Promise<void> };

/** As a service has them: built from the published files and loaded. */
export async function openV2Models(folder: string): Promise<V2Models> {
  const directory = await mkdtemp(join(tmpdir(), 'diffbir-'));
  const path = (name: string) => join(folder, 'checkpoints', name);
  const common = { tokenizer: CLIP_VOCABULARY, 'diffbir-config': path('config.json') };
  const stableDiffusion = path('v2-1_512-ema-pruned.ckpt');
  const open = async (version: LaterVersion, engine: MethodEngine, paths: Record<string, string>) => {
    await using plan = await engine.build!.plan({ ...paths, ...common }, { dtype: 'fp32', device: 'cpu' });
    await buildModel(plan, { modelsDirectory: directory });
    return await loadDiffbir(directoryOf(directory, MODELS[version]), PARITY_DEVICE);
  };
  const models = {
    v2: await open('v2', diffbirV2Engine, {
      'diffbir-v2': path('v2.pth'),
      bsrnet: path('BSRNet.pth'),
      sd21: stableDiffusion,
    }),
    'v2.1': await open('v2.1', diffbirV21Engine, {
      'diffbir-v21': path('v2.pth'),
      'swinir-v21': path('general_swinir_v1.ckpt'),
      'sd21-zsnr': stableDiffusion,
    }),
  };
  return {
    ...models,
    async release() {
      for (const one of Object.values(models)) await one.release();
      await rm(directory, { recursive: true });
    },
  };
}

/** ControlNet of the second version, under the names of the graphs. */
export async function openV2Control(folder: string) {
  const path = (name: string) => join(folder, 'checkpoints', name);
  const { unet } = await readSizes(path('config.json'));
  return hintApart(compvisUnet(unwrapped(await openCheckpoint(path('v2.pth'))), unet.layers_per_block));
}

const SIGNAL = new AbortController().signal;

/** By the names of the script. */
const SAMPLERS = {
  spaced: 'ddpm',
  'edm_dpm++_3m_sde': 'dpm++3m-sde',
  'dpm++_m2': 'dpm++2m',
  ddim: 'ddim',
} as const;

interface SamplingParameters {
  version: LaterVersion;
  sampler: keyof typeof SAMPLERS;
  steps: number;
  cfg: number;
  rescale?: boolean;
  start?: 'cond';
  noise_aug?: number;
  strength?: number;
  /** Other than those of the version, to see what they are for. */
  changed?: Partial<VersionFacts> & { tiles?(tiles: LatentTile[]): LatentTile[] };
}

/** Those of the product. */
function parametersOf({ sampler, steps, cfg, rescale, start, noise_aug = 0, strength = 1 }: SamplingParameters) {
  return {
    steps,
    sampler: SAMPLERS[sampler],
    guidance_scale: cfg,
    guidance_course: rescale ? 'rising' : 'constant',
    condition_noise: noise_aug,
    conditioning_scale: strength,
    start_point: start === 'cond' ? 'lr' : 'noise',
    start_steps: 999,
  } as const;
}

interface LoopParameters extends SamplingParameters {
  positive?: string;
  negative?: string;
  /** In pixels. */
  tile?: number;
  stride?: number;
}

/** From a condition to a picture; `latents` and `denoised` after every step. */
export async function computeLoopV2(
  recorded: RecordedCase,
  versions: V2Models,
  { encode }: LoopTools,
): Promise<Computed> {
  const parameters = recorded.parameters as unknown as LoopParameters;
  const models = versions[versionOf(recorded)];
  const { positive = '', negative = '', tile, stride, cfg, changed = {} } = parameters;
  const { tiles: change = (tiles: LatentTile[]) => tiles, ...facts } = changed;
  const script = laterPublishedMode({ diffusion: tile === undefined ? undefined : { size: tile, stride: stride! } });
  const latents: Tensor[] = [];
  const denoised: Tensor[] = [];
  const latent = await denoise(
    { ...models, version: { ...models.version, ...facts } },
    {
      parameters: parametersOf(parameters),
      mode: { ...script, latentTiles: (...size) => change(script.latentTiles(...size)) },
      condition: await pictureOf(recorded, 'condition_image'),
      text: await encode(cfg === 1 ? [positive] : [negative, positive]),
      noise: await recordedNoise(recorded),
      watch: {
        signal: SIGNAL,
        onStep(one, _step, expectClean) {
          latents.push(one);
          denoised.push(expectClean());
        },
      },
    },
  );
  const image = await models.vae.decode(unscaled(latent));
  const weights = tileWeights((tile ?? 64) / 8);
  return { outputs: { latents: stacked(latents), denoised: stacked(denoised), latent, image, tile_weights: weights } };
}

function versionOf({ parameters }: RecordedCase): LaterVersion {
  return parameters.version as LaterVersion;
}

function tileWeights(size: number): Tensor {
  const span = { start: 0, size, first: true, last: true };
  const [row, column] = [gaussianWindow(halfOff), gaussianWindow(centered)];
  const data = Float32Array.from({ length: size * size }, (_, index) => {
    return row(Math.floor(index / size), span) * column(index % size, span);
  });
  return { data, shape: [size, size] };
}

export async function computeEncode(recorded: RecordedCase, { v2: { vae } }: V2Models, { models: v1 }: LoopTools) {
  const picture = await pictureOf(recorded, 'image');
  const { logVariance } = await vae.encode({ ...picture, data: picture.data.map((value) => 2 * value - 1) });
  const outputs = {
    condition: await encodeHint(v1.vae, picture, { tiling: WHOLE }),
    first_stage: await encodeHint(vae, picture, { tiling: WHOLE }),
    logvar: logVariance,
  };
  return { outputs };
}

export async function computeDecode(recorded: RecordedCase, { v2: { vae } }: V2Models): Promise<Computed> {
  return { outputs: { image: await vae.decode(unscaled(await recorded.tensor('latent'))) } };
}

export async function computeTiledVae(recorded: RecordedCase, { v2: { vae } }: V2Models): Promise<Computed> {
  const { encoder_tile, decoder_tile } = recorded.parameters as Record<string, number>;
  const tiled = (size: number) => ({ tiling: publishedVaeTiles(size) });
  return {
    outputs: {
      condition: await encodeHint(vae, await pictureOf(recorded, 'image'), tiled(encoder_tile!)),
      image_out: await decodeTiled(vae, unscaled(await recorded.tensor('latent')), tiled(decoder_tile!)),
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
  const schedule = scheduleOf(VERSIONS['v2.1']);
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
    const { timesteps: actual } = createDdim(scheduleOf(VERSIONS.v2), { steps: Number(count), eta: 0 });
    facts.push({ name: `timesteps of ddim ${count}`, actual, expected });
  }
  for (const [timestep, expected] of Object.entries(rescaled_cfg)) {
    const actual = risingGuidance(cfg_scale, Number(timestep), schedule.trainSteps);
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
  const values = await runBsrnet(recorded.folder, await pictureOf(recorded, 'image'));
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

async function runBsrnet(folder: string, picture: Tensor): Promise<Record<string, Tensor>> {
  await using file = await openNetworkFile(join(folder, 'checkpoints', 'BSRNet.pth'));
  const network = await loadNetwork(file, PARITY_DEVICE, { probes: true });
  try {
    return await network.run(picture);
  } finally {
    await network.release();
  }
}

interface ScriptParameters extends SamplingParameters {
  upscale: number;
  pos: string;
  neg: string;
  /** Tile and stride in pixels; what is missing or null runs without tiles. */
  cleaner?: [number, number] | null;
  cldm?: [number, number] | null;
  encoder?: number | null;
  decoder?: number | null;
}

/** The whole script of the later versions, photo to picture. */
export async function computeScriptV2(recorded: RecordedCase, versions: V2Models): Promise<Computed> {
  const parameters = recorded.parameters as unknown as ScriptParameters;
  const { upscale: scale, pos, neg, cleaner, cldm, encoder, decoder } = parameters;
  const models = versions[versionOf(recorded)];
  const tilesOf = (given: [number, number] | null | undefined) => given && { size: given[0], stride: given[1] };
  const options = {
    scale,
    firstStage: tilesOf(cleaner) ?? undefined,
    diffusion: tilesOf(cldm) ?? undefined,
    encoder: encoder ?? undefined,
    decoder: decoder ?? undefined,
  };
  const photo = await recorded.image('image');
  const { picture: stage1 } = await cleanPublished(photo, models.firstStage, options, { signal: SIGNAL });
  const [height, width] = stage1.shape.slice(2) as [number, number];
  const script = laterPublishedMode(options);
  const values: Record<string, Tensor> = {};
  const mode: Mode = {
    ...script,
    async see(...given) {
      const seen = await script.see(...given);
      values.condition = seen.hint!;
      return seen;
    },
    async decode(vae, latent, run) {
      values.latent = { ...latent, data: latent.data.map((value) => value * SCALING_FACTOR) };
      const decoded = await script.decode(vae, latent, run);
      values.decoded = cutWindow(decoded, { top: 0, left: 0, height, width });
      return decoded;
    },
  };
  const { picture } = await restoreByDiffbir(photo, models, {
    parameters: { ...parametersOf(parameters), prompt: pos, negative_prompt: neg, color_fix: 'wavelet' },
    mode,
    noise: await recordedNoise(recorded),
    onProgress: () => {},
    signal: SIGNAL,
  });
  return {
    outputs: { ...values, stage1, picture: { data: picture.data, shape: [picture.height, picture.width, 3] } },
    facts: [
      { name: 'stage1_size', actual: [width, height], expected: recorded.parameters.stage1_size },
      { name: 'picture', actual: [picture.width, picture.height], expected: recorded.parameters.picture },
    ],
  };
}
