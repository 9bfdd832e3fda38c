import type { Method } from './method.ts';
import type { AddableId, ModelFacts } from './model-facts.ts';
import { type OnePassMethod, onePass } from './one-pass.ts';

/** Common parts of methods whose models users add. They are never asked for themselves. */

type Given<Id extends string> = Pick<Method<Id>, 'id' | 'name' | 'tileSizes'> & {
  /** As of a method that is offered: of its usual network, which enlarges by four. */
  context: number;
  price: number;
  pace: number;
  /** It computes at the enlarged size: the tiles of a network that enlarges by more are smaller. */
  worksEnlarged: boolean;
};

export interface AddableMethod<Id extends string = AddableId> extends Pick<Method<Id>, 'id' | 'name' | 'price'> {
  modelOf(facts: ModelFacts): OnePassMethod<Id, 'built'>;
}

/** Below it, tiles would be little else than the overlap with their neighbors. */
const LEAST_TILE = 96;
const USUAL_SCALE = 4;

export function addable<const Id extends AddableId>(given: Given<Id>): AddableMethod<Id> {
  const { id, name, context, tileSizes, price, pace, worksEnlarged } = given;
  return {
    id,
    name,
    price: { per: 'output_megapixel', standard: price },
    modelOf({ title, license, scale, shuffle, work_share: workShare, context: reach }) {
      const enlarged = worksEnlarged ? Math.max(1, (scale * shuffle) / USUAL_SCALE) : 1;
      const sizes = tileSizes.map((size) => Math.max(LEAST_TILE, size / enlarged) * shuffle);
      return onePass({
        id,
        name: title,
        description: `${name}, added here. ${scale === 1 ? 'It leaves a photo as large as it is.' : `It makes photos ${scale} times as large.`}`,
        license,
        weights: 'built',
        tileSizes: [...new Set(sizes)] as unknown as Method['tileSizes'],
        // How much suffices was measured in pixels of the network.
        context: Math.min(reach, context * shuffle),
        unit: shuffle,
        scale,
        workShare,
        price,
        pace,
      });
    },
  };
}
