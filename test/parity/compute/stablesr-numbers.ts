import { fixFloatColors } from '../../../gpu-worker/diffusion/float-color-fix.ts';
import { centered, toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { resizeTensor } from '../../../gpu-worker/images/torch-resize.ts';
import { canvasTiles, pictureParts } from '../../../gpu-worker/methods/stablesr/published-mode.ts';
import { ddpmStep } from '../../../gpu-worker/schedulers/ddpm.ts';
import { createNoiseSchedule, type NoiseSchedule } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import { createSpacedDdpm } from '../../../gpu-worker/schedulers/spaced-ddpm.ts';
import { startLatent } from '../../../gpu-worker/schedulers/start-latent.ts';
import { elementCount, type Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { blendTiles, type LatentTile } from '../../../gpu-worker/tiling/latent-tiles.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';
import { tileWeights } from './sampling.ts';
import type { StablesrSet } from './stablesr.ts';
import { plainInput, shortened } from './stablesr-scripts.ts';

/** Cases of a set of StableSR that run no network. */

const spread = (steps: number) => ({ steps, spacing: 'even', offset: 0 }) as const;

async function scheduleOf(set: StablesrSet): Promise<NoiseSchedule> {
  return createNoiseSchedule((await set.models()).schedule);
}

/** Tables of the respaced processes, and of all timesteps. */
export async function computeSchedule({ parameters }: RecordedCase, set: StablesrSet): Promise<Computed> {
  const schedule = await scheduleOf(set);
  const facts: Fact[] = [];
  const outputs: Computed['outputs'] = {};
  const give = (name: string, data: number[]) => {
    outputs[name] = { data, shape: [data.length] };
  };
  for (const [steps, expected] of Object.entries(parameters.timesteps as Record<string, number[]>)) {
    const timesteps = createSpacedDdpm(schedule, spread(Number(steps))).timesteps.toReversed();
    facts.push({ name: `timesteps of ${steps}`, actual: timesteps, expected });
    const alphas = timesteps.map((timestep) => schedule.alphaBar(timestep));
    const taken = timesteps.map((timestep, index) => ddpmStep(schedule, timestep, timesteps[index - 1] ?? -1));
    give(`alphas_cumprod_${steps}`, alphas);
    give(
      `betas_${steps}`,
      alphas.map((alpha, index) => 1 - alpha / (alphas[index - 1] ?? 1)),
    );
    give(
      `sqrt_recip_alphas_cumprod_${steps}`,
      alphas.map((alpha) => Math.sqrt(1 / alpha)),
    );
    give(
      `sqrt_recipm1_alphas_cumprod_${steps}`,
      alphas.map((alpha) => Math.sqrt(1 / alpha - 1)),
    );
    give(
      `posterior_mean_coef1_${steps}`,
      taken.map(({ clean }) => clean),
    );
    give(
      `posterior_mean_coef2_${steps}`,
      taken.map(({ sample }) => sample),
    );
    give(
      `posterior_log_variance_clipped_${steps}`,
      taken.map(({ noise }) => 2 * Math.log(noise)),
    );
  }
  const all = Array.from({ length: schedule.trainSteps }, (_, timestep) => schedule.alphaBar(timestep));
  give('sqrt_alphas_cumprod', all.map(Math.sqrt));
  give(
    'sqrt_one_minus_alphas_cumprod',
    all.map((alpha) => Math.sqrt(1 - alpha)),
  );
  return { outputs, facts };
}

export async function computeStart({ parameters, ...recorded }: RecordedCase, set: StablesrSet): Promise<Computed> {
  const [latent, noise] = [await recorded.tensor('latent'), await recorded.tensor('noise')];
  const options = { encoded: latent.data, noise: noise.data, timestep: Number(parameters.timestep) };
  return { outputs: { sample: { data: startLatent(await scheduleOf(set), options), shape: latent.shape } } };
}

/** `step_I`: one step from `sample`, I the place of its timestep among the rising ones. */
export async function computeStep({ parameters, ...recorded }: RecordedCase, set: StablesrSet): Promise<Computed> {
  const steps = Number(parameters.steps);
  const predicts = parameters.parameterization === 'v' ? 'velocity' : 'noise';
  const scheduler = createSpacedDdpm(await scheduleOf(set), { ...spread(steps), predicts });
  const [sample, prediction] = [await recorded.tensor('sample'), await recorded.tensor('model_output')];
  const outputs: Computed['outputs'] = {};
  for (const rising of parameters.indices as number[]) {
    const noise = await recorded.tensor(`noise_${rising}`);
    const next = scheduler.step({
      state: { sample: sample.data },
      index: steps - 1 - rising,
      prediction: prediction.data,
      drawNoise: () => noise.data,
    });
    outputs[`step_${rising}`] = { data: next.sample, shape: sample.shape };
  }
  return { outputs };
}

/** `out0`, …: cubic, of values −1..1. */
export async function computeResize({ parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const outputs: Computed['outputs'] = {};
  for (const [index, { to }] of (parameters.resizes as { to: [number, number] }[]).entries()) {
    const [width, height] = to;
    const picture = centered(toTensor(await recorded.image(`in${index}`)));
    outputs[`out${index}`] = resizeTensor(picture, { width, height }, 'bicubic');
  }
  return { outputs };
}

/** `lanczos0`, `out0`, …: the input of the plain script. */
export async function computePlainInput({ parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const outputs: Computed['outputs'] = {};
  for (const index of recorded.inputNames.keys()) {
    const small = shortened(await recorded.image(`in${index}`), 32);
    outputs[`lanczos${index}`] = { data: small.data, shape: [small.height, small.width, 3] };
    outputs[`out${index}`] = plainInput(small, Number(parameters.input_size));
  }
  return { outputs };
}

/** `adain0`, `wavelet0`, …: `result0` in the colors of `reference0`. */
export async function computeColorFix(recorded: RecordedCase): Promise<Computed> {
  const outputs: Computed['outputs'] = {};
  for (const name of recorded.outputNames) {
    const [, method, index] = /^(adain|wavelet)(\d+)$/.exec(name)!;
    const reference = centered(toTensor(await recorded.image(`reference${index}`)));
    outputs[name] = fixFloatColors(await recorded.tensor(`result${index}`), reference, method as 'adain' | 'wavelet');
  }
  return { outputs };
}

const offsetOf = ({ row, column }: LatentTile) => [row.start, column.start];

/** Places of the tiles of some latents; weights of one tile. */
export async function computeTiles({ parameters, outputNames }: RecordedCase): Promise<Computed> {
  const grids = parameters.grids as Record<'height' | 'width' | 'tile' | 'overlap', number>[];
  const facts = grids.map(({ height, width, tile, overlap, ...recorded }): Fact => {
    const tiles = canvasTiles(height, width, { tileSize: tile, overlap });
    return {
      name: `tiles of ${height} × ${width}`,
      actual: tiles.map(offsetOf),
      expected: (recorded as { offsets?: unknown }).offsets,
    };
  });
  const weights = outputNames.map((name) => [name, tileWeights(Number(name.replace('weights_', '')))] as const);
  return { outputs: Object.fromEntries(weights), facts };
}

interface RecordedPart {
  box: number[];
  values: number[];
}

/** Parts of large pictures, and how they are put together: each is one color here. */
export async function computePictureParts({ parameters }: RecordedCase): Promise<Computed> {
  const { size, patch, stride, tiles, starts } = parameters as {
    size: [number, number];
    patch: number;
    stride: number;
    tiles: RecordedPart[];
    starts: Record<string, number[]>;
  };
  const parts = pictureParts(...size, { size: patch, stride });
  const boxes = parts.map(({ row, column }) => {
    return [row.start, row.start + row.size, column.start, column.start + column.size];
  });
  const blended = await blendTiles(parts, async ({ row, column }, index): Promise<Tensor> => {
    const shape = [1, 3, row.size, column.size];
    const area = row.size * column.size;
    const { values } = tiles[index]!;
    return {
      data: Float32Array.from({ length: elementCount(shape) }, (_, at) => values[Math.floor(at / area)]!),
      shape,
    };
  });
  const facts = Object.entries(starts).map(([name, expected]): Fact => {
    const [side, own, distance] = name.split(',').map(Number) as [number, number, number];
    const rows = pictureParts(side, side, { size: own, stride: distance }).map(({ row }) => row.start);
    return { name: `starts of ${name}`, actual: [...new Set(rows)], expected };
  });
  return {
    outputs: { blended },
    facts: [{ name: 'boxes', actual: boxes, expected: tiles.map(({ box }) => box) }, ...facts],
  };
}
