import { latentRestorer } from '../../diffusion/latent-restorer.ts';
import type { Restorer } from '../../restore/restorer.ts';
import { exactMode } from './exact-mode.ts';
import type { StablesrModels } from './models.ts';
import { publishedMode } from './published-mode.ts';
import { restorePicture, type StablesrParameters } from './recipe.ts';

/** The restorer of StableSR (Wang et al. 2023), for photos of any kind. */
export function stablesrRestorer(models: StablesrModels): Restorer {
  return latentRestorer(async (photo, { published, tileSize, savepoints, onProgress, onStep, ...run }) => {
    const { parameters } = run;
    const mode = published ? publishedMode({ tileSize }) : exactMode({ tileSize, bitDepth: parameters.bit_depth });
    const picture = await mode.restore(photo, parameters.color_fix ?? 'none', (part, { index, count }) => {
      const isWhole = count === 1;
      return restorePicture(models, part, {
        ...run,
        parameters: parameters as StablesrParameters,
        latentTiles: mode.latentTiles,
        onProgress: (at, share) => onProgress(at, (index + share) / count),
        // Those of a part would not be of the photo.
        ...(isWhole && { onStep: (_latent, step, expectClean) => onStep(step, expectClean) }),
        ...(isWhole && savepoints && { savepoints }),
      });
    });
    return { picture };
  });
}
