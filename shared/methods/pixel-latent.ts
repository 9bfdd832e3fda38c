import type { Method } from './method.ts';
import type { ModelParameters } from './parameters.ts';
import { coverLatent, latentOverlap, MODEL_SCALE, type TileSpan } from './tile-plan.ts';

/** Common parts of methods whose latent has one position for each pixel of the photo. */

type Given<Id extends string> = Pick<Method<Id>, 'id' | 'name' | 'description' | 'license' | 'tileSizes'> & {
  /** Beside those of the family. */
  defaults?: ModelParameters;
  /** Sides that the network takes are multiples of it, in pixels of the photo. */
  unit: number;
  /** The shortest side that it takes. Default: `unit`. */
  least?: number;
  /** Calls of the network for a tile. */
  steps: (parameters: ModelParameters) => number;
  problems?: Method['problems'];
  /** Micro-units for a call. */
  price: number;
  /** Seconds for a call. */
  pace: number;
};

export function pixelLatent<const Id extends string>({
  defaults,
  unit,
  least = unit,
  steps,
  problems = () => [],
  price,
  pace,
  ...about
}: Given<Id>): Method<Id> & { weights: 'built' } {
  const [tileSize] = about.tileSizes;
  // The dial blends, all the way: at 1 the network has no part in the result and is not run.
  const share = (fidelity: number) => fidelity;
  return {
    ...about,
    scale: MODEL_SCALE,
    workShare: 1,
    defaults: { fidelity: 0, ...defaults, color_fix: 'wavelet' },
    problems,
    work({ width, height }, { fidelity = 0, ...parameters }) {
      if (share(fidelity) === 1) return { tiles: 0, steps: 0, calls: 0 };
      const count = (side: number) => pixelLatentTiles(side, tileSize, unit, least).length;
      const tiles = count(width) * count(height);
      const called = steps(parameters);
      return { tiles, steps: called, calls: tiles * called };
    },
    fidelity: { share, steer: () => ({}) },
    price: { per: 'network_call', standard: price },
    pace: { per: 'network_call', seconds: pace },
    weights: 'built',
    holdsWhole: true,
    isGenerative: true,
    isResumable: true,
    seesTags: false,
  };
}

/** The side that a side of the photo is continued to. */
export function pixelLatentSide(side: number, unit: number, least = unit): number {
  return Math.max(least, Math.ceil(side / unit) * unit);
}

/** Tiles along a side of the photo, continued. */
export function pixelLatentTiles(side: number, tileSize: number, unit: number, least = unit): TileSpan[] {
  return coverLatent(pixelLatentSide(side, unit, least), tileSize, latentOverlap(tileSize), unit);
}
