import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { drawFitted } from '../../diffusion/draw-fitted.ts';
import { latentRestorer } from '../../diffusion/latent-restorer.ts';
import type { Restorer } from '../../restore/restorer.ts';
import { exactMode } from './exact-mode.ts';
import type { ResshiftModels } from './models.ts';
import { publishedMode } from './published-mode.ts';
import { restoreByResshift } from './recipe.ts';

/** The restorer of ResShift, for photos of any kind. */
export function resshiftRestorer(models: ResshiftModels): Restorer {
  return latentRestorer(
    async (photo, { parameters, published, tileSize, onStep, ...run }) => {
      const mode = published
        ? publishedMode({ unit: models.unit })
        : exactMode({ tileSize, bitDepth: parameters.bit_depth });
      const picture = await restoreByResshift(photo, models, {
        ...run,
        mode,
        onStep: (_latent, step, expectClean) => onStep(step, expectClean),
      });
      return { picture };
    },
    { draw: (latent, _seen, photo) => drawFitted(latent, photo), latentPixels: MODEL_SCALE },
  );
}
