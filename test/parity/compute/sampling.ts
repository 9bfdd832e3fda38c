import { toTensor } from '../../../gpu-worker/images/image-tensor.ts';
import type { SeesrModels } from '../../../gpu-worker/methods/seesr/models.ts';
import { publishedMode } from '../../../gpu-worker/methods/seesr/published-mode.ts';
import { denoise, type SeesrParameters } from '../../../gpu-worker/methods/seesr/recipe.ts';
import type { NoiseSource } from '../../../gpu-worker/tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import { centered, gaussianWindow, halfOff } from '../../../gpu-worker/tiling/latent-tiles.ts';
import { methodOf } from '../../../shared/methods/registry.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';

/** Parameters of the published script that a case gives, under our names; the rest as in the API. */
export function diffusionParameters({ parameters }: RecordedCase): SeesrParameters {
  const given = Object.entries(parameters).filter(([name]) => name in methodOf({ model: 'seesr' }).defaults);
  return { ...methodOf({ model: 'seesr' }).defaults, ...Object.fromEntries(given) } as SeesrParameters;
}

/** The noise that was recorded, instead of our own. */
export async function recordedNoise(recorded: RecordedCase): Promise<NoiseSource> {
  const [start, posterior, steps] = await Promise.all(
    ['initial_noise', 'posterior_noise', 'step_noise'].map((name) => recorded.tensor(name)),
  );
  return (purpose, step, count) => {
    if (purpose === 'step') return steps!.data.slice(step * count, (step + 1) * count);
    return purpose === 'start' ? start!.data : posterior!.data;
  };
}

/** All outputs of a case that samples: the latent after every step, and the weights of a tile where there are several. */
export async function computeSampling(
  recorded: RecordedCase,
  models: SeesrModels,
  altered: Partial<SeesrParameters> = {},
): Promise<Record<string, Tensor>> {
  const parameters = { ...diffusionParameters(recorded), ...altered };
  const { prompt, negative_prompt: negative, guidance_scale: guidance } = parameters;
  const prompts = guidance > 1 ? [negative, prompt] : [prompt];
  const tileSize = Number(recorded.parameters.latent_tile);
  const overlap = Number(recorded.parameters.latent_overlap);
  const latents: Tensor[] = [];
  await denoise(models, {
    parameters,
    mode: publishedMode({ tileSize, overlap }),
    condition: toTensor(await recorded.image('condition')),
    text: await models.textEncoder.encode(prompts.map((words) => models.tokenizer.encode(words))),
    imageEmbeds: await recorded.tensor('image_embeds'),
    noise: await recordedNoise(recorded),
    watch: { signal: new AbortController().signal, onStep: (latent) => latents.push(latent) },
  });
  const [, channels, height, width] = latents[0]!.shape as [number, number, number, number];
  const shape = [latents.length, channels, height, width];
  const data = new Float32Array(elementCount(shape));
  for (const [step, latent] of latents.entries()) data.set(latent.data, step * latent.data.length);
  return { latents: { data, shape }, tile_weights: tileWeights(Math.min(tileSize, height, width)) };
}

/** Of the published script, before tiles are weighed against each other. */
export function tileWeights(size: number): Tensor {
  const span = { start: 0, size, first: true, last: true };
  const [row, column] = [gaussianWindow(halfOff), gaussianWindow(centered)];
  const data = Float32Array.from({ length: size * size }, (_, index) => {
    return row(Math.floor(index / size), span) * column(index % size, span);
  });
  return { data, shape: [size, size] };
}
