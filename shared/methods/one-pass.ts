import type { Method } from './method.ts';
import { countStagedTiles, MODEL_SCALE, type StageFacts } from './tile-plan.ts';

/** Common parts of methods that send each part of the photo through one network once. */

type Given<Id extends string, Weights extends Method['weights']> = Pick<
  Method<Id>,
  'id' | 'name' | 'description' | 'license'
> & {
  weights: Weights;
  /** Beside those of the family. */
  defaults?: Method['defaults'];
  /** In pixels of the photo. */
  tileSizes: Method['tileSizes'];
  /** Pixels around a point of the photo that its part must hold, where the photo is too large for one. */
  context: number;
  /** Default: one, which sees as far. */
  stages?: StageFacts;
  /** See `OnePassMethod`. Default: 1. */
  unit?: number;
  /** How many tiles a side of the photo has. Default: those that overlap by what `context` says. */
  tilesAlong?: (side: number, tileSize: number) => number;
  /** See `Method`. Default: false. */
  holdsWhole?: boolean;
  /** See `Method`. Default: MODEL_SCALE. */
  scale?: number;
  /** See `Method`. Default: 1. */
  workShare?: number;
  /** Micro-units for a megapixel that the network puts out. */
  price: number;
  /** Seconds for a megapixel of the photo. */
  pace: number;
};

export interface OnePassMethod<Id extends string, Weights extends Method['weights']> extends Method<Id> {
  weights: Weights;
  context: number;
  stages: StageFacts;
  /** Tiles begin at multiples of it. */
  unit: number;
}

export function onePass<const Id extends string, const Weights extends Method['weights']>({
  defaults,
  price,
  pace,
  unit = 1,
  scale = MODEL_SCALE,
  workShare = 1,
  tilesAlong,
  holdsWhole = false,
  ...given
}: Given<Id, Weights>): OnePassMethod<Id, Weights> {
  const { context, stages = { count: 1, context }, tileSizes } = given;
  // The dial blends, all the way: at 1 the network has no part in the result and is not run.
  const share = (fidelity: number) => fidelity;
  return {
    ...given,
    stages,
    unit,
    scale,
    workShare,
    defaults: { fidelity: 0, ...defaults, color_fix: 'wavelet' },
    problems: () => [],
    work({ width, height }, { fidelity = 0 }) {
      if (share(fidelity) === 1) return { tiles: 0, steps: 0, calls: 0 };
      const [tileSize] = tileSizes;
      const tiles = tilesAlong
        ? tilesAlong(width, tileSize) * tilesAlong(height, tileSize)
        : countStagedTiles({ width, height }, stages, { tileSize, scale, context, unit });
      return { tiles, steps: 1, calls: tiles };
    },
    fidelity: { steer: () => ({}), share },
    price: { per: 'output_megapixel', standard: price },
    pace: { per: 'input_megapixel', seconds: pace },
    holdsWhole,
    isGenerative: false,
    isResumable: false,
    seesTags: false,
  };
}
