import { z } from 'zod';
import type { Repaint } from '../../../gpu-worker/methods/stablesr/mode.ts';
import type { StablesrModels } from '../../../gpu-worker/methods/stablesr/models.ts';
import { canvasTiles, tileScript } from '../../../gpu-worker/methods/stablesr/published-mode.ts';
import { photoLatent, restorePicture } from '../../../gpu-worker/methods/stablesr/recipe.ts';
import { createNoiseSchedule } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import { startLatent } from '../../../gpu-worker/schedulers/start-latent.ts';
import type { Tensor } from '../../../gpu-worker/tensor/tensor.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import type { Computed } from '../computed.ts';
import type { StablesrSet } from './stablesr.ts';
import { stablesrNoise, stacked } from './stablesr-networks.ts';
import { canvasScript, plainScript } from './stablesr-scripts.ts';

/** Names of the published scripts' options. */
const scriptSchema = z.object({
  script: z.string(),
  input_size: z.int(),
  ddpm_steps: z.int(),
  dec_w: z.number(),
  colorfix_type: z.enum(['adain', 'wavelet', 'nofix']),
  start: z.enum(['lr', 'noise']),
  latent_from: z.enum(['first_stage_model', 'vqgan_cfw']),
  tile_overlap: z.int().default(0),
  vqgantile_size: z.int().default(1280),
  vqgantile_stride: z.int().default(1000),
  network_input_size: z.tuple([z.int(), z.int()]),
  output_size: z.tuple([z.int(), z.int()]),
});
type Script = z.infer<typeof scriptSchema>;

/**
 * A script from the photo to the picture, and its values on the way, of all parts of the picture one after the other.
 * `alter`: changes what the networks see, to see what it is worth.
 */
export async function computeScript(
  recorded: RecordedCase,
  set: StablesrSet,
  alter: (picture: Tensor) => Tensor = (picture) => picture,
): Promise<Computed> {
  const script = scriptSchema.parse(recorded.parameters);
  const photo = await recorded.image('image');
  const seen: Seen = { pictures: [], photos: [], starts: [], latents: [], decoded: [] };
  const recording = await recordingRepaint(recorded, script, await set.models(), seen);
  const repaint: Repaint = (picture, at) => recording(alter(picture), at);
  const colorFix = script.colorfix_type === 'nofix' ? 'none' : script.colorfix_type;
  const { input_size: size, tile_overlap: overlap } = script;
  const part = { size: script.vqgantile_size, stride: script.vqgantile_stride };
  const run = () => {
    if (script.script.endsWith('_tile.py'))
      return tileScript(photo, colorFix, repaint, { tileSize: size / 8, overlap, part });
    return script.script.endsWith('canvas.py')
      ? canvasScript(photo, colorFix, repaint, size)
      : plainScript(photo, colorFix, repaint, size);
  };
  const picture = await run();
  const [input] = seen.pictures;
  return {
    outputs: {
      network_input: input!,
      latent: stacked(seen.photos),
      start: stacked(seen.starts),
      latents: stacked(seen.latents),
      decoded: stacked(seen.decoded),
      picture: { data: picture.data, shape: [picture.height, picture.width, 3] },
    },
    facts: [
      { name: 'size of the input', actual: input!.shape.slice(2).toReversed(), expected: script.network_input_size },
      { name: 'size of the picture', actual: [picture.width, picture.height], expected: script.output_size },
    ],
  };
}

type Seen = Record<'pictures' | 'photos' | 'starts' | 'latents' | 'decoded', Tensor[]>;

async function recordingRepaint(
  recorded: RecordedCase,
  script: Script,
  opened: StablesrModels,
  seen: Seen,
): Promise<Repaint> {
  const noise = await stablesrNoise(recorded);
  const { signal } = new AbortController();
  // The plain script takes the latent from the encoder of the second file.
  const encode = script.latent_from === 'vqgan_cfw' ? opened.wrapped.encode : opened.vae.encode;
  const models = { ...opened, vae: { ...opened.vae, encode } };
  const schedule = createNoiseSchedule(models.schedule);
  return async (picture) => {
    const photo = await photoLatent(models, picture, { noise, signal });
    const encoded = script.start === 'lr' ? { encoded: photo.data } : {};
    const start = startLatent(schedule, { ...encoded, noise: noise('start', 0, photo.data.length), timestep: 999 });
    const decoded = await restorePicture(models, picture, {
      parameters: {
        steps: script.ddpm_steps,
        start_point: script.start,
        start_steps: 999,
        conditioning_scale: script.dec_w,
      },
      latentTiles: (height, width) =>
        canvasTiles(height, width, { tileSize: script.input_size / 8, overlap: script.tile_overlap }),
      noise,
      onProgress: () => {},
      signal,
      onStep: (latent) => seen.latents.push(latent),
    });
    seen.pictures.push(picture);
    seen.photos.push(photo);
    seen.starts.push({ data: start, shape: photo.shape });
    seen.decoded.push(decoded);
    return decoded;
  };
}
