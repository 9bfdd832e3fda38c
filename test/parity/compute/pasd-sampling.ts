import { z } from 'zod';
import { fixColorsAsPublished } from '../../../gpu-worker/diffusion/published-color-fix.ts';
import type { Pixels } from '../../../gpu-worker/images/image.ts';
import { toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import { denoise, startingLatent } from '../../../gpu-worker/methods/pasd/denoise.ts';
import type { Mode } from '../../../gpu-worker/methods/pasd/mode.ts';
import type { PasdModels } from '../../../gpu-worker/methods/pasd/models.ts';
import type { PasdParameters } from '../../../gpu-worker/methods/pasd/parameters.ts';
import { publishedMode } from '../../../gpu-worker/methods/pasd/published-mode.ts';
import { encodePrompts, restoreByPasd } from '../../../gpu-worker/methods/pasd/recipe.ts';
import { createNoiseSchedule, rates } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import { createUniPc } from '../../../gpu-worker/schedulers/unipc.ts';
import type { NoiseSource } from '../../../gpu-worker/tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { pasd } from '../../../shared/methods/pasd.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed, Fact } from '../computed.ts';
import { tileWeights } from './sampling.ts';

/** Options of the script, as cases give them. */
const scriptSchema = z.object({
  diffusers: z.string().default('0.29.2'),
  steps: z.int(),
  added_noise_level: z.int(),
  init_latent_with_noise: z.boolean().default(false),
  guidance_scale: z.number().default(1),
  conditioning_scale: z.number().default(1),
  latent_tile: z.int().default(320),
  latent_overlap: z.int().default(8),
  process_size: z.int().optional(),
  prompt: z.string().default(''),
  user_prompt: z.string().default(''),
  added_prompt: z.string().default(''),
  negative_prompt: z.string().default(''),
});

/** Other options than those of a case, to see what they cost. */
export interface ScriptChange {
  parameters?: Partial<PasdParameters>;
  mode?: Partial<Mode>;
  noise?: Partial<Record<'start' | 'posterior' | 'again', (values: Float32Array) => Float32Array>>;
}

async function scriptOf(recorded: RecordedCase, change: ScriptChange) {
  const script = scriptSchema.parse(recorded.parameters);
  const parameters = {
    ...(pasd.defaults as PasdParameters),
    steps: script.steps,
    guidance_scale: script.guidance_scale,
    conditioning_scale: script.conditioning_scale,
    negative_prompt: script.negative_prompt,
    prompt: script.user_prompt,
    added_prompt: script.added_prompt,
    start_point: script.init_latent_with_noise ? 'noise' : 'lr',
    ...change.parameters,
  } satisfies PasdParameters;
  const mode = publishedMode({
    tileSize: script.latent_tile,
    overlap: script.latent_overlap,
    noiseLevel: script.added_noise_level,
    version: script.diffusers.startsWith('0.21') ? '2023' : '2024',
    ...(script.process_size !== undefined && { processSize: script.process_size }),
  });
  return { script, parameters, mode: { ...mode, ...change.mode }, noise: await recordedNoise(recorded, change.noise) };
}

const INPUTS = { start: 'initial_noise', posterior: 'posterior_noise', again: 'added_noise' } as const;

/** The noise that was recorded, instead of our own. */
async function recordedNoise(recorded: RecordedCase, change: ScriptChange['noise'] = {}): Promise<NoiseSource> {
  const drawn = new Map<string, Float32Array>();
  for (const [purpose, input] of Object.entries(INPUTS)) {
    if (!recorded.inputNames.includes(input)) continue;
    const { data } = await recorded.tensor(input);
    drawn.set(purpose, change[purpose as keyof typeof INPUTS]?.(data) ?? data);
  }
  return (purpose) => {
    const found = drawn.get(purpose);
    if (!found) throw new RangeError(`The case ${recorded.id} has no noise for ${purpose}.`);
    return found;
  };
}

const { signal } = new AbortController();

/** The latent before the first step. */
export async function computeStart(recorded: RecordedCase, models: PasdModels): Promise<Computed> {
  const { parameters, mode, noise } = await scriptOf(recorded, {});
  const condition = toTensor(await recorded.image('condition'));
  const data = await startingLatent(models, { parameters, mode, condition, noise, signal });
  const { timesteps } = createUniPc(createNoiseSchedule(models.schedule), { steps: parameters.steps, end: mode.end });
  return {
    outputs: { latent: { data, shape: recorded.shape('latent') } },
    facts: [
      {
        name: 'timestep of the second noise',
        actual: mode.secondNoise?.(timesteps),
        expected: recorded.parameters.added_noise_timestep,
      },
    ],
  };
}

/** The start and the latent after every step, and the weights of a tile. */
export async function computeLoop(
  recorded: RecordedCase,
  models: PasdModels,
  change: ScriptChange = {},
): Promise<Record<'start' | 'latents' | 'tile_weights', Tensor>> {
  const { script, parameters, mode, noise } = await scriptOf(recorded, change);
  const condition = toTensor(await recorded.image('condition'));
  const start = await startingLatent(models, { parameters, mode, condition, noise, signal });
  const latents: Tensor[] = [];
  await denoise(models, {
    parameters,
    mode,
    condition,
    text: await encodePrompts(models, script.prompt, parameters),
    noise,
    watch: { signal, onStep: (latent) => latents.push(latent) },
  });
  const shape = latents[0]!.shape;
  const data = new Float32Array(latents.length * elementCount(shape));
  for (const [step, latent] of latents.entries()) data.set(latent.data, step * latent.data.length);
  return {
    start: { data: start, shape },
    latents: { data, shape: [latents.length, ...shape.slice(1)] },
    tile_weights: tileWeights(Math.min(script.latent_tile, ...shape.slice(2))),
  };
}

/** The whole path from photo to picture, as the published script goes it. */
export async function computeRun(
  recorded: RecordedCase,
  models: PasdModels,
  change: ScriptChange = {},
): Promise<Computed> {
  const { parameters, mode, noise } = await scriptOf(recorded, change);
  const photo = await recorded.image('image');
  const condition = mode.condition(photo);
  let decoded = condition.image;
  const checkDecoded = (given: Pixels) => {
    decoded = given;
  };
  const { picture, description } = await restoreByPasd(photo, models, {
    parameters,
    mode: { ...mode, condition: () => condition, checkDecoded },
    noise,
    onProgress: () => {},
    signal,
  });
  const fixed = fixColorsAsPublished(decoded, condition.image, 'wavelet');
  const pictures = Object.entries({ prepared: condition.image, decoded, fixed, picture });
  const { prompt, prepared_size: preparedSize } = recorded.parameters;
  return {
    outputs: Object.fromEntries(
      pictures.map(([name, { data, width, height }]) => [name, { data, shape: [height, width, 3] }]),
    ),
    facts: [
      { name: 'prompt', actual: description.prompt, expected: prompt },
      { name: 'prepared size', actual: [condition.image.width, condition.image.height], expected: preparedSize },
    ],
  };
}

const tablesSchema = z.object({
  diffusers: z.string().default('0.29.2'),
  tables: z.record(z.string(), z.object({ timesteps: z.array(z.int()), sigmas: z.array(z.number()).optional() })),
  runs: z.array(z.int()),
});

/** Timesteps, σ/α at each of them, and whole runs with recorded predictions. */
export async function computeScheduler(recorded: RecordedCase, { schedule: noising }: PasdModels): Promise<Computed> {
  const { diffusers, tables, runs } = tablesSchema.parse(recorded.parameters);
  const end = diffusers.startsWith('0.21') ? 'timestep-0' : 'clean';
  const schedule = createNoiseSchedule(noising);
  const facts: Fact[] = [];
  for (const [steps, { timesteps: expected, sigmas }] of Object.entries(tables)) {
    const { timesteps } = createUniPc(schedule, { steps: Number(steps), end });
    facts.push({ name: `timesteps ${steps}`, actual: timesteps, expected });
    for (const [index, sigma] of sigmas?.entries() ?? []) {
      const { sigma: noise, alpha } =
        index < timesteps.length ? rates(schedule, timesteps[index]!) : { sigma: 0, alpha: 1 };
      // Recorded in fp32, after a thousand products.
      facts.push({
        name: `sigma ${index} of ${steps}`,
        actual: noise / alpha,
        expected: sigma,
        tolerance: 1e-6 * (1 + sigma),
      });
    }
  }
  const outputs: Computed['outputs'] = {};
  for (const steps of runs) {
    const { timesteps, step } = createUniPc(schedule, { steps, end });
    const { data: predictions } = await recorded.tensor(`eps_${steps}`);
    let state = { sample: (await recorded.tensor(`sample_${steps}`)).data };
    const samples = timesteps.map((_, index) => {
      const length = state.sample.length;
      const prediction = predictions.subarray(index * length, (index + 1) * length);
      state = step({ state, index, prediction, drawNoise: () => prediction });
      return state.sample;
    });
    outputs[`samples_${steps}`] = {
      data: samples.flatMap((sample) => [...sample]),
      shape: recorded.shape(`samples_${steps}`),
    };
  }
  return { outputs, facts };
}
