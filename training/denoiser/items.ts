import { createRandom, type Random } from '../../evaluation/degradation/random.ts';
import { timestepSinusoids } from '../../gpu-worker/diffusion/timestep-rows.ts';
import { findTags, type Tag } from '../../gpu-worker/methods/seesr/prompt.ts';
import { addNoise, type NoiseSchedule } from '../../gpu-worker/schedulers/noise-schedule.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import type { PairSource } from '../pairs.ts';
import { pictureForEmbeds } from '../prepare-picture.ts';
import type { FrozenNetworks } from './frozen-networks.ts';
import { drawLatent, pictureForStem, pictureForVae } from './prepare-item.ts';

interface ItemOptions {
  seed: number;
  schedule: NoiseSchedule;
  /** Of latents. */
  scale: number;
  tags: readonly Tag[];
  /** Side of the picture that the tagger sees. */
  taggerSide: number;
  /** Width of the time embedding. */
  timeChannels: number;
}

/** As published: one of two items is trained without words. */
const WORDLESS = 0.5;

/**
 * What `denoiserTrainingGraph` takes, for the item of a turn, from its pair of pictures: the good one noised at a timestep that is drawn,
 * the degraded one for ControlNet and DAPE, the tags that RAM finds in the good one. Every draw is keyed by seed and turn.
 */
export function denoiserItems(
  source: PairSource,
  networks: FrozenNetworks,
  { seed, schedule, scale, tags, taggerSide, timeChannels }: ItemOptions,
): (turn: number) => Promise<Record<string, Tensor>> {
  return async (turn) => {
    const { good, degraded } = await source(turn);
    const random = createRandom(seed, `item ${turn}`);
    const words = async () => {
      const { logits } = await networks.ram.describe(pictureForEmbeds(good, taggerSide));
      return `${findTags(logits, tags)
        .map(({ name }) => name)
        .join(', ')},`;
    };
    const text = random.chance(WORDLESS) ? '' : await words();
    const timestep = Math.floor(schedule.trainSteps * random.uniform());
    const posterior = await networks.vae.encode(pictureForVae(good));
    const { shape, data } = posterior.mean;
    const latent = drawLatent(posterior, normals(random, data.length), scale);
    const noise = normals(random, data.length);
    const { imageEmbeds } = await networks.dape.describe(pictureForEmbeds(degraded, taggerSide));
    return {
      latent: { data: addNoise(schedule, latent.data, noise, timestep), shape },
      noise: { data: noise, shape },
      text: await networks.textEncoder.encode([networks.tokenizer.encode(text)]),
      image_embeds: imageEmbeds,
      condition: pictureForStem(degraded),
      sinusoids: timestepSinusoids([timestep], timeChannels),
      conditioning_scale: { data: Float32Array.of(1), shape: [1] },
    };
  };
}

function normals(random: Random, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, random.normal);
}
