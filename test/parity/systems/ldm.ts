import { z } from 'zod';
import { timestepSinusoids } from '../../../gpu-worker/diffusion/timestep-rows.ts';
import { centered, toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { readLdmSizes } from '../../../gpu-worker/methods/ldm/config.ts';
import { ldmSchedule } from '../../../gpu-worker/methods/ldm/models.ts';
import { publishedMode } from '../../../gpu-worker/methods/ldm/published-mode.ts';
import { denoise, restoreByLdm } from '../../../gpu-worker/methods/ldm/recipe.ts';
import { vqConfig } from '../../../gpu-worker/methods/vq-sizes.ts';
import { createDdim, ddimStep } from '../../../gpu-worker/schedulers/ddim.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { blendTiles, cutTile, type LatentTile } from '../../../gpu-worker/tiling/latent-tiles.ts';
import { planPyramidTiles, pyramidWeight } from '../../../gpu-worker/tiling/pyramid-tiles.ts';
import { vaeDecoder, vaeEncoder } from '../../../gpu-worker/vae/vae-graphs.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { decoderPart, ldmPaths, recordedNoise, runUnet, runVq, withLdm } from '../compute/ldm.ts';
import type { Computed, Fact } from '../computed.ts';
import type { Parity } from '../parity.ts';

/** LDM-SR ×4: its networks, sampler, tiles, and the script in its public wrapper. */
export const parity: Parity = {
  methods: ['ldm'],
  networks: ['vq_encode', 'vq_quantize', 'vq_decode', 'unet'],
  open: () => ({ kinds: KINDS, [Symbol.asyncDispose]: async () => {} }),
  // In the order of the computation.
  blocks: ['input_blocks.', 'middle_block', 'output_blocks.', 'eps', 'latents', 'final', 'latent', 'image', 'picture'],
};

const KINDS: Record<string, (recorded: RecordedCase) => Promise<Computed>> = {
  vq_encode: encode,
  vq_quantize: quantize,
  vq_decode: decode,
  timestep_embedding: embedTimesteps,
  unet,
  schedule,
  step,
  loop,
  tiles,
  run,
};

const whole = (values: ArrayLike<number>) => ({ data: values, shape: [values.length] });
const photoOf = async (recorded: RecordedCase, name = 'condition') => centered(toTensor(await recorded.image(name)));

async function encode({ folder, ...recorded }: RecordedCase): Promise<Computed> {
  const image = centered(toTensor(await recorded.image('image')));
  const { moments } = await runVq(folder, (sizes) => vaeEncoder(vqConfig(sizes.vq)), { image });
  return { outputs: { latent: moments! } };
}

async function quantize({ folder, ...recorded }: RecordedCase): Promise<Computed> {
  const latent = await recorded.tensor('latent');
  const { indices, quantized } = await runVq(folder, (sizes) => decoderPart(sizes, 0, 1), { latent });
  return { outputs: { indices: { ...indices!, shape: latent.shape.slice(2) }, quantized: quantized! } };
}

async function decode({ folder, ...recorded }: RecordedCase): Promise<Computed> {
  const latent = await recorded.tensor('latent');
  const { image } = await runVq(folder, (sizes) => vaeDecoder(vqConfig(sizes.vq)), { latent });
  const { output } = await runVq(folder, (sizes) => decoderPart(sizes, 1), { latent });
  return { outputs: { image: image!, image_not_quantized: output! } };
}

async function embedTimesteps({ parameters }: RecordedCase): Promise<Computed> {
  const { timesteps, channels } = z.object({ timesteps: z.array(z.int()), channels: z.int() }).parse(parameters);
  return { outputs: { sinusoids: timestepSinusoids(timesteps, channels) } };
}

async function unet({ folder, parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const { timestep } = z.object({ timestep: z.int() }).parse(parameters);
  const latent = await recorded.tensor('latent');
  return {
    outputs: await runUnet(folder, { latent, photo: centered(toTensor(await recorded.image('condition'))), timestep }),
  };
}

const scheduleOf = async (folder: string) => ldmSchedule(await readLdmSizes(ldmPaths(folder)['ldm-config']));

async function schedule({ folder, parameters }: RecordedCase): Promise<Computed> {
  const noising = await scheduleOf(folder);
  const { asked, timesteps: recorded } = z
    .object({ asked: z.array(z.int()), timesteps: z.record(z.string(), z.array(z.int())) })
    .parse(parameters);
  const alphas = Array.from({ length: noising.trainSteps }, (_, timestep) => noising.alphaBar(timestep));
  const outputs: Computed['outputs'] = { alphas_cumprod: whole(alphas) };
  const facts: Fact[] = [];
  for (const count of asked) {
    const { timesteps } = createDdim(noising, { steps: count, eta: 1 });
    facts.push({ name: `timesteps of ${count}`, actual: timesteps, expected: recorded[count] });
    const called = timesteps.map((_, index) => ddimStep(noising, { timesteps, index, eta: 1 }));
    outputs[`alphas_${count}`] = whole(called.map(({ alphaBar }) => alphaBar));
    outputs[`alphas_prev_${count}`] = whole(called.map(({ previous }) => previous));
    outputs[`sigmas_${count}`] = whole(called.map(({ sigma }) => sigma));
  }
  return { outputs, facts };
}

const stepSchema = z.object({ asked: z.int(), eta: z.number(), position: z.int(), timestep: z.int() });

async function step({ folder, parameters, ...recorded }: RecordedCase): Promise<Computed> {
  const noising = await scheduleOf(folder);
  const { steps: wanted } = z.object({ steps: z.array(stepSchema) }).parse(parameters);
  const { data: sample, shape } = await recorded.tensor('sample');
  const { data: prediction } = await recorded.tensor('eps');
  const outputs: Computed['outputs'] = {};
  const facts: Fact[] = [];
  for (const [number, { asked, eta, position, timestep }] of wanted.entries()) {
    const scheduler = createDdim(noising, { steps: asked, eta });
    const index = position < 0 ? scheduler.timesteps.length + position : position;
    facts.push({ name: `timestep ${number}`, actual: scheduler.timesteps[index], expected: timestep });
    const { data: noise } = await recorded.tensor(`step_noise${number}`);
    const next = scheduler.step({ state: { sample }, index, prediction, drawNoise: () => noise });
    outputs[`previous${number}`] = { data: next.sample, shape };
    outputs[`clean${number}`] = { data: scheduler.expectClean({ sample, index, prediction }), shape };
  }
  return { outputs, facts };
}

const loopSchema = z.object({ steps: z.int(), calls: z.int(), eta: z.number() });

async function loop(recorded: RecordedCase): Promise<Computed> {
  const { steps: asked, calls, eta } = loopSchema.parse(recorded.parameters);
  const condition = await photoOf(recorded);
  const noise = await recordedNoise(recorded);
  const latents: Float32Array[] = [];
  const final = await withLdm(recorded.folder, (models) =>
    denoise(models, condition, {
      steps: asked,
      eta,
      noise,
      mode: {
        latentTiles: (height, width) => planPyramidTiles({ height, width, size: Math.max(height, width), stride: 1 }),
      },
      watch: { signal: new AbortController().signal, onStep: ({ data }) => latents.push(data) },
    }),
  );
  const all = Float32Array.from(latents.flatMap((latent) => [...latent]));
  return {
    outputs: { latents: { data: all, shape: [latents.length, ...final.shape.slice(1)] }, final },
    facts: [{ name: 'calls', actual: latents.length, expected: calls }],
  };
}

const tilesSchema = z.object({
  tile: z.int(),
  stride: z.int(),
  timestep: z.int(),
  tiles: z.tuple([z.int(), z.int()]),
});

async function tiles(recorded: RecordedCase): Promise<Computed> {
  const { tile: size, stride, timestep, tiles: counts } = tilesSchema.parse(recorded.parameters);
  const latent = await recorded.tensor('latent');
  const photo = await photoOf(recorded);
  const clean = await recorded.tensor('clean_latent');
  const [, , height, width] = latent.shape as [number, number, number, number];
  const plan = planPyramidTiles({ height, width, size, stride });
  const finer = planPyramidTiles({ height: 4 * height, width: 4 * width, size: 4 * size, stride: 4 * stride });
  const { eps, image } = await withLdm(recorded.folder, async (models) => {
    const [time] = await models.timeRows([timestep]);
    return {
      eps: await blendTiles(plan, (tile) =>
        models.predict({ latent: cutTile(latent, tile), photo: cutTile(photo, tile), time: time! }),
      ),
      image: await publishedMode({ size, stride }).decode(models.decoder, clean, {}),
    };
  });
  const rows = new Set(plan.map(({ row }) => row.start)).size;
  return {
    outputs: {
      tile_weights: weightsOf(size),
      tile_weights_pixels: weightsOf(4 * size),
      normalization: sumsOf(plan, height, width),
      normalization_pixels: sumsOf(finer, 4 * height, 4 * width),
      eps,
      image,
    },
    facts: [{ name: 'tiles', actual: [rows, plan.length / rows], expected: counts }],
  };
}

function weightsOf(size: number): Tensor {
  const data = Float32Array.from({ length: size ** 2 }, (_, index) =>
    pyramidWeight(Math.floor(index / size), index % size, size, size),
  );
  return { data, shape: [size, size] };
}

/** What the weights of all tiles add up to before they are weighed against each other. */
function sumsOf(plan: readonly LatentTile[], height: number, width: number): Tensor {
  const data = new Float32Array(height * width);
  for (const { row, column, weight } of plan) {
    for (let y = 0; y < row.size; y++) {
      for (let x = 0; x < column.size; x++) {
        data[(row.start + y) * width + column.start + x] = pyramidWeight(y, x, row.size, column.size) / weight(y, x);
      }
    }
  }
  return { data, shape: [height, width] };
}

const runSchema = loopSchema.extend({
  tile: z.int(),
  stride: z.int(),
  padded: z.tuple([z.int(), z.int()]),
  tiles: z.tuple([z.int(), z.int()]),
});

async function run(recorded: RecordedCase): Promise<Computed> {
  const { steps: asked, calls, eta, tile: size, stride, padded, tiles: counts } = runSchema.parse(recorded.parameters);
  const photo = await recorded.image('image');
  const mode = publishedMode({ size, stride });
  const noise = await recordedNoise(recorded);
  let [called, perStep] = [0, 0];
  const { picture, latent } = await withLdm(recorded.folder, (models) =>
    restoreByLdm(photo, models, {
      steps: asked,
      eta,
      mode,
      noise,
      signal: new AbortController().signal,
      onProgress: ({ stage, step: at, tiles: all }) => {
        if (stage === 'denoise') [called, perStep] = [at!, all!];
      },
    }),
  );
  const { data, width, height } = picture;
  return {
    outputs: { latent, picture: { data, shape: [height, width, 3] } },
    facts: [
      { name: 'padded', actual: latent.shape.slice(2).toReversed(), expected: padded },
      { name: 'calls', actual: called, expected: calls },
      { name: 'tiles', actual: perStep, expected: counts[0] * counts[1] },
    ],
  };
}
