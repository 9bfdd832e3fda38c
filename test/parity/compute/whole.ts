import type { Pixels } from '../../../gpu-worker/images/image.ts';
import type { SeesrModels } from '../../../gpu-worker/methods/seesr/models.ts';
import { publishedMode } from '../../../gpu-worker/methods/seesr/published-mode.ts';
import { restoreBySeesr } from '../../../gpu-worker/methods/seesr/recipe.ts';
import type { RecordedCase } from '../../support/recorded-case.ts';
import { diffusionParameters, recordedNoise } from './sampling.ts';

/** Names of the published script's options where ours differ. */
interface ScriptParameters {
  prompt: string;
  user_prompt: string;
  process_size: number;
  prepared_size: [number, number];
  latent_tile: number;
  latent_overlap: number;
  align_method: string;
}

interface WholeOutputs {
  /** The output of the decoder, and the picture that the script saves. */
  pictures: Record<'decoded' | 'picture', Pixels>;
  /** As the recipe put it together from the tags that it found. */
  prompt: string;
  /** Width and height of the picture that steers. */
  preparedSize: [number, number];
}

/** The whole path from photo to picture, as the published script goes it. */
export async function computeWhole(recorded: RecordedCase, models: SeesrModels): Promise<WholeOutputs> {
  const script = recorded.parameters as unknown as ScriptParameters;
  const photo = await recorded.image('image');
  const mode = publishedMode({
    tileSize: script.latent_tile,
    overlap: script.latent_overlap,
    processSize: script.process_size,
  });
  const condition = mode.condition(photo);
  let decoded = condition.image;
  const { picture, description } = await restoreBySeesr(photo, models, {
    parameters: {
      ...diffusionParameters(recorded),
      prompt: script.user_prompt,
      color_fix: script.align_method === 'nofix' ? 'none' : (script.align_method as 'adain' | 'wavelet'),
    },
    mode: {
      ...mode,
      condition: () => condition,
      checkDecoded: (given) => {
        decoded = given;
      },
    },
    noise: await recordedNoise(recorded),
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  return {
    pictures: { decoded, picture },
    prompt: description.prompt,
    preparedSize: [condition.image.width, condition.image.height],
  };
}
