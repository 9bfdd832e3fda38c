import { dirname, join } from 'node:path';
import { z } from 'zod';
import { toPicture } from '../../../../evaluation/degradation/to-picture.ts';
import { addNoise, createNoiseSchedule } from '../../../../gpu-worker/schedulers/noise-schedule.ts';
import { elementCount, type Tensor } from '../../../../gpu-worker/tensor/tensor.ts';
import { drawLatent, pictureForVae } from '../../../../training/denoiser/prepare-item.ts';
import { pictureForEmbeds } from '../../../../training/prepare-picture.ts';
import type { RecordedCase } from '../../../support/recorded-case.ts';
import { openRecordedModels } from '../../../support/recorded-models.ts';
import type { Computed } from '../../computed.ts';

const parametersSchema = z.object({
  checkpoints: z.string(),
  texts: z.array(z.string()),
  timesteps: z.array(z.int()),
  latent_scale: z.number(),
});

/** From pictures, texts and noises to what a step of the denoiser takes in. */
export async function computeDenoiserBatch(recorded: RecordedCase): Promise<Computed> {
  const { checkpoints, texts, timesteps, latent_scale: scale } = parametersSchema.parse(recorded.parameters);
  await using opened = openRecordedModels(dirname(join(recorded.folder, checkpoints)));
  const models = await opened.get('seesr');
  const schedule = createNoiseSchedule(models.schedule);
  const [posteriorNoise, noise] = [await recorded.tensor('posterior_noise'), await recorded.tensor('noise')];
  const rows: Record<string, Tensor[]> = {};
  const keep = (name: string, tensor: Tensor) => (rows[name] = [...(rows[name] ?? []), tensor]);
  for (const [index, text] of texts.entries()) {
    const good = pictureForVae(toPicture(await recorded.image(`good${index}`)));
    const degraded = pictureForEmbeds(toPicture(await recorded.image(`degraded${index}`)), models.taggerImageSize);
    const ids = models.tokenizer.encode(text);
    const part = (tensor: Tensor) => {
      const size = elementCount(tensor.shape.slice(1));
      return tensor.data.slice(index * size, (index + 1) * size);
    };
    const latent = drawLatent(await models.vae.encode(good), part(posteriorNoise), scale);
    keep('ids', { data: Float32Array.from(ids), shape: [1, ids.length] });
    keep('pixel_values', good);
    keep('ram_values', degraded);
    keep('text', await models.textEncoder.encode([ids]));
    keep('image_embeds', (await models.tagger.describe(degraded)).imageEmbeds);
    keep('latent', latent);
    keep('noisy', { data: addNoise(schedule, latent.data, part(noise), timesteps[index]!), shape: latent.shape });
  }
  const outputs = Object.entries(rows).map(([name, parts]) => {
    const data = parts.flatMap(({ data }) => [...data]);
    return [name, { data, shape: [parts.length, ...parts[0]!.shape.slice(1)] }] as const;
  });
  return { outputs: Object.fromEntries(outputs) };
}
