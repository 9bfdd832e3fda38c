import { z } from 'zod';
import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { relativePositions } from '../../../gpu-worker/graphs/swin-windows.ts';
import { toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { enlargeCubic } from '../../../gpu-worker/images/torch-resize.ts';
import { publishedMode } from '../../../gpu-worker/methods/resshift/published-mode.ts';
import { denoise, encodePicture, restoreByResshift } from '../../../gpu-worker/methods/resshift/recipe.ts';
import { columnMask } from '../../../gpu-worker/methods/resshift/swin-layer.ts';
import { createResidualShifting, shiftTables } from '../../../gpu-worker/schedulers/residual-shifting.ts';
import { mirrorToMultiple } from '../../../gpu-worker/tensor/mirror.ts';
import { elementCount, type Tensor, transpose } from '../../../gpu-worker/tensor/tensor.ts';
import { blendTiles } from '../../../gpu-worker/tiling/latent-tiles.ts';
import { pixelLatentSide } from '../../../shared/methods/pixel-latent.ts';
import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import {
  pictureOf,
  recordedNoise,
  resshiftPaths,
  runQuantizer,
  runSwinLayer,
  runUnet,
  shiftOf,
  withResshift,
} from '../compute/resshift.ts';
import type { Computed } from '../computed.ts';
import type { Parity } from '../parity.ts';

/** ResShift ×4: its networks block by block, its chain, and the published script. */
export const parity: Parity = {
  methods: ['resshift', 'resshift-fast'],
  networks: ['vq_encode', 'vq_decode', 'swin_layer', 'unet'],
  open: () => ({
    kinds: {
      upsample,
      pad,
      vq_encode,
      vq_quantize,
      vq_decode,
      window_mask,
      relative_position_index,
      swin_layer,
      timestep_embedding,
      unet,
      schedule,
      step,
      loop,
      chop,
      run,
    },
    [Symbol.asyncDispose]: async () => {},
  }),
  // In the order of the computation.
  blocks: [
    'block',
    'result',
    'input_blocks.',
    'middle_block',
    'output_blocks.',
    'clean',
    'encoded',
    'latents',
    'final',
  ],
};

/** Of any network where only the autoencoder counts. */
const ANY_NET = 'v1';
const netSchema = z.object({ net: z.string() });
const { signal } = new AbortController();

async function upsample(recorded: RecordedCase): Promise<Computed> {
  return { outputs: { enlarged: enlargeCubic(await pictureOf(recorded, 'image'), 4) } };
}

async function pad({ parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const sides = z.tuple([z.int(), z.int()]);
  const { multiple, sizes } = z
    .object({ multiple: z.int(), sizes: z.array(z.object({ input: sides, padded: sides })) })
    .parse(parameters);
  const padded = mirrorToMultiple(toTensor(await recorded.image('image')), multiple);
  const actual = sizes.map(({ input }) => input.map((side) => pixelLatentSide(side, multiple)));
  return {
    outputs: { padded: asPicture(padded) },
    facts: [{ name: 'sizes', actual, expected: sizes.map((size) => size.padded) }],
  };
}

/** [1, 3, h, w], 0..1 → [h, w, 3], 0..255. */
function asPicture({ data, shape }: Tensor): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const levels = transpose(data, channels, height * width).map((value) => Math.round(255 * value));
  return { data: levels, shape: [height, width, channels] };
}

async function vq_encode(recorded: RecordedCase): Promise<Computed> {
  const picture = await pictureOf(recorded, 'image');
  return await withResshift(recorded.folder, ANY_NET, async ({ vq }) => {
    return { outputs: { latent: await vq.encode(picture) } };
  });
}

async function vq_quantize(recorded: RecordedCase): Promise<Computed> {
  const latent = await recorded.tensor('latent');
  const { indices, quantized } = await runQuantizer(recorded.folder, latent);
  return { outputs: { indices: { ...indices!, shape: latent.shape.slice(2) }, quantized: quantized! } };
}

async function vq_decode(recorded: RecordedCase): Promise<Computed> {
  const latent = await recorded.tensor('latent');
  return await withResshift(recorded.folder, ANY_NET, async ({ vq }) => {
    return { outputs: { image: await vq.decode(latent) } };
  });
}

/** The graph adds the mask to the last row of windows, and to no other. */
async function window_mask({ parameters }: RecordedCase): Promise<Computed> {
  const { height, width, window, shift } = z
    .object({ height: z.int(), width: z.int(), window: z.int(), shift: z.int() })
    .parse(parameters);
  const shape = [(height / window) * (width / window), window ** 2, window ** 2];
  const data = new Float32Array(elementCount(shape));
  const mask = columnMask(window, shift);
  for (let left = 0; left < width / window; left++) data.set(mask, data.length - (left + 1) * mask.length);
  return { outputs: { mask: { data, shape } } };
}

async function relative_position_index({ parameters }: RecordedCase): Promise<Computed> {
  const { window } = z.object({ window: z.int() }).parse(parameters);
  return { outputs: { index: { data: relativePositions(window), shape: [window ** 2, window ** 2] } } };
}

async function swin_layer({ folder, parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const { net, layer } = netSchema.extend({ layer: z.string() }).parse(parameters);
  return { outputs: await runSwinLayer(folder, net, layer, await recorded.tensor('value')) };
}

async function timestep_embedding({ parameters }: RecordedCase): Promise<Computed> {
  const { timesteps, channels } = z.object({ timesteps: z.array(z.int()), channels: z.int() }).parse(parameters);
  return { outputs: { sinusoids: timestepSinusoids(timesteps, channels) } };
}

async function unet(recorded: RecordedCase): Promise<Computed> {
  const { net, timestep } = netSchema.extend({ timestep: z.int() }).parse(recorded.parameters);
  const inputs = {
    latent: await recorded.tensor('latent'),
    photo: await pictureOf(recorded, 'condition'),
  };
  return { outputs: await runUnet(recorded.folder, net, timestep, inputs) };
}

async function schedule({ parameters }: RecordedCase): Promise<Computed> {
  const shift = shiftOf(parameters);
  const tables = shiftTables(shift);
  const { variance } = tables;
  const table = (data: Float64Array) => ({ data, shape: [data.length] });
  return {
    outputs: {
      sqrt_etas: table(tables.rootShift),
      etas: table(tables.shift),
      etas_prev: table(tables.previousShift),
      alpha: table(tables.shift.map((share, timestep) => share - tables.previousShift[timestep]!)),
      posterior_mean_coef1: table(tables.ofSample),
      posterior_mean_coef2: table(tables.ofClean),
      posterior_variance: table(variance),
      posterior_log_variance_clipped: table(variance.map((value) => Math.log(value === 0 ? variance[1]! : value))),
      input_deviation: table(tables.deviation),
    },
    facts: [
      { name: 'timesteps', actual: createResidualShifting(shift).timesteps, expected: parameters.timesteps_as_called },
    ],
  };
}

async function step({ folder, parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const { net, timesteps } = netSchema.extend({ timesteps: z.array(z.int()) }).parse(parameters);
  const { shift } = await resshiftPaths(folder, net);
  const scheduler = createResidualShifting(shift);
  const { data: encoded, shape } = await recorded.tensor('encoded');
  const { data: prediction } = await recorded.tensor('clean');
  const { data: noise } = await recorded.tensor('noise');
  const sample = scheduler.start(encoded, noise);
  const steps = timesteps.map((timestep): [string, Tensor] => {
    const index = scheduler.timesteps.indexOf(timestep);
    const next = scheduler.step({ state: { sample }, index, prediction, drawNoise: () => noise });
    return [`previous${timestep}`, { data: next.sample, shape }];
  });
  return { outputs: { start: { data: sample, shape }, ...Object.fromEntries(steps) } };
}

async function loop(recorded: RecordedCase): Promise<Computed> {
  const { net } = netSchema.parse(recorded.parameters);
  const picture = await pictureOf(recorded, 'condition');
  return await withResshift(recorded.folder, net, async (models) => {
    const latents: Tensor[] = [];
    const final = await denoise(picture, models, {
      mode: publishedMode({ unit: models.unit }),
      noise: await recordedNoise(recorded, models.shift.steps),
      part: 0,
      onProgress: () => {},
      onStep: (latent) => latents.push(latent),
      signal,
    });
    const encoded = await encodePicture(picture, models, { signal });
    return { outputs: { encoded, latents: joined(latents), final } };
  });
}

/** Along the first axis. */
function joined(tensors: readonly Tensor[]): Tensor {
  const data = new Float32Array(tensors.reduce((sum, tensor) => sum + tensor.data.length, 0));
  let place = 0;
  for (const tensor of tensors) {
    data.set(tensor.data, place);
    place += tensor.data.length;
  }
  return { data, shape: [tensors.length, ...tensors[0]!.shape.slice(1)] };
}

async function chop({ parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const chopSchema = z.object({ chop: z.int(), stride: z.int() });
  const { starts, height, width, ...cut } = chopSchema
    .extend({
      starts: z.array(chopSchema.extend({ side: z.int(), starts: z.array(z.int()) })),
      height: z.int(),
      width: z.int(),
    })
    .parse(parameters);
  const { data, shape } = await recorded.tensor('tiles');
  const size = data.length / shape[0]!;
  const tiles = Array.from({ length: shape[0]! }, (_, index) => ({
    data: data.subarray(index * size, (index + 1) * size),
    shape: [1, ...shape.slice(1)],
  }));
  const parts = publishedMode(cut).parts({ width: MODEL_SCALE * width, height: MODEL_SCALE * height });
  const startsOf = ({ side, ...one }: (typeof starts)[number]) =>
    publishedMode(one)
      .parts({ width: MODEL_SCALE * side, height: MODEL_SCALE })
      .map(({ column }) => column.start / MODEL_SCALE);
  return {
    outputs: { joined: await blendTiles(parts, async (_, index) => tiles[index]!) },
    facts: [{ name: 'starts', actual: starts.map(startsOf), expected: starts.map((one) => one.starts) }],
  };
}

async function run(recorded: RecordedCase): Promise<Computed> {
  const { net, chop, stride, multiple, ...expected } = netSchema
    .extend({
      chop: z.int(),
      stride: z.int(),
      multiple: z.int(),
      starts: z.object({ rows: z.array(z.int()), columns: z.array(z.int()) }),
      picture_size: z.tuple([z.int(), z.int()]),
    })
    .parse(recorded.parameters);
  const photo = await recorded.image('image');
  return await withResshift(recorded.folder, net, async (models) => {
    const latents: Tensor[] = [];
    const mode = publishedMode({ chop, stride, unit: multiple });
    const picture = await restoreByResshift(photo, models, {
      mode,
      noise: await recordedNoise(recorded, models.shift.steps),
      onProgress: () => {},
      onStep: (latent, done) => {
        if (done === models.shift.steps) latents.push(latent);
      },
      signal,
    });
    const { width, height, data } = picture;
    const parts = mode.parts(picture);
    const starts = {
      rows: [...new Set(parts.map(({ row }) => row.start / MODEL_SCALE))],
      columns: [...new Set(parts.map(({ column }) => column.start / MODEL_SCALE))],
    };
    return {
      outputs: { latents: joined(latents), picture: { data, shape: [height, width, 3] } },
      facts: [
        { name: 'starts', actual: starts, expected: expected.starts },
        { name: 'picture_size', actual: [width, height], expected: expected.picture_size },
      ],
    };
  });
}
