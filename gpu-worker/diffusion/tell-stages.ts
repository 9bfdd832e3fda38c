import type { Progress } from '../../shared/job.ts';
import type { RestorerOptions } from '../restore/restorer.ts';
import type { Watch } from './sample-latent.ts';

/** `begins`: how much of the work is done when each stage begins, 0..1, in their order. */
export function tellStages<Stage extends Progress['stage']>(
  onProgress: RestorerOptions['onProgress'],
  begins: Readonly<Record<Stage, number>>,
) {
  const stages = Object.keys(begins) as Stage[];
  /** `share`: of the stage. */
  const tell = (stage: Stage, share: number, at: Omit<Progress, 'percent' | 'stage'> = {}) => {
    const next = stages[stages.indexOf(stage) + 1];
    const end = next === undefined ? 1 : begins[next];
    onProgress({ stage, ...at }, begins[stage] + (end - begins[stage]) * share);
  };
  return {
    begin: (stage: Stage) => tell(stage, 0),
    ofTiles: (stage: Stage) => (tile: number, tiles: number) => tell(stage, tile / tiles, { tile, tiles }),
    ofSteps: (stage: Stage): NonNullable<Watch['onTile']> => {
      return (at) => tell(stage, (at.step - 1 + at.tile / at.tiles) / at.steps, at);
    },
  };
}
