import type { Description } from '../../../shared/job.ts';
import { NOTHING_SEEN } from '../../../shared/job.ts';
import { dasr } from '../../../shared/methods/dasr.ts';
import type { Restorer } from '../../restore/restorer.ts';
import { oneStage } from '../../tiling/run-stages.ts';
import { COLORS_TIMES_FOUR, onePass } from '../one-pass-engine.ts';
import { degradationNames } from './degradation-names.ts';
import { type Look, look } from './look.ts';
import type { DasrModels } from './models.ts';

/** Of the work: the predictor multiplies a tenth as often, and its tiles hardly overlap. */
const LOOK_SHARE = 0.05;

/** The whole photo is looked at; then its tiles go through the generator, all with the kernels of that look. */
export function lookingFirst(models: DasrModels): Restorer {
  return async (photo, options) => {
    const { tileSize, signal, onProgress } = options;
    const { context, scale } = dasr;
    const onTile = (tile: number, tiles: number) =>
      onProgress({ stage: 'describe', tile, tiles }, (LOOK_SHARE * tile) / tiles);
    const seen = await look(photo, models, { tileSize, signal, onTile });
    const { restore } = onePass({
      ...COLORS_TIMES_FOUR,
      context,
      stages: oneStage({ context, scale }, async (input) => {
        return (await models.generator.run({ input, mixture: seen.mixture })).output!;
      }),
      release: models.release,
    });
    const restored = await restore(photo, {
      ...options,
      onProgress: (at, share) => onProgress(at, LOOK_SHARE + (1 - LOOK_SHARE) * share),
    });
    return { ...restored, description: describe(seen) };
  };
}

function describe({ degradation, mixture }: Look): Description {
  const names = degradationNames(degradation.data.length);
  return {
    ...NOTHING_SEEN,
    degradation: {
      values: names.map((name, index) => ({ name, value: rounded(degradation.data[index]!) })),
      mixture: Array.from(mixture.data, rounded),
    },
  };
}

/** They are estimates: more places say nothing. */
function rounded(value: number): number {
  return Number(value.toFixed(4));
}
