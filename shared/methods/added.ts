import type { Method } from './method.ts';
import type { AddableId, ModelFacts } from './model-facts.ts';
import { type OnePassMethod, onePass } from './one-pass.ts';
import type { StageFacts } from './tile-plan.ts';

/** Common parts of methods whose models users add. They are never asked for themselves. */

type Given<Id extends string> = Pick<Method<Id>, 'id' | 'name' | 'tileSizes'> & {
  /** As of a method that is offered: of its usual network, which enlarges by four. */
  context: number;
  price: number;
  pace: number;
  stagesOf(facts: Pick<ModelFacts, 'context' | 'shuffle'>): StageFacts;
};

export interface AddableMethod<Id extends string = AddableId> extends Pick<Method<Id>, 'id' | 'name' | 'price'> {
  modelOf(facts: ModelFacts): OnePassMethod<Id, 'built'>;
}

export function addable<const Id extends AddableId>(given: Given<Id>): AddableMethod<Id> {
  const { id, name, context, tileSizes, price, pace, stagesOf } = given;
  return {
    id,
    name,
    price: { per: 'output_megapixel', standard: price },
    modelOf({ title, license, scale, shuffle, work_share: workShare, context: reach }) {
      return onePass({
        id,
        name: title,
        description: `${name}, added here. ${scale === 1 ? 'It leaves a photo as large as it is.' : `It makes photos ${scale} times as large.`}`,
        license,
        weights: 'built',
        tileSizes: tileSizes.map((size) => size * shuffle) as unknown as Method['tileSizes'],
        // How much suffices was measured in pixels of the network.
        context: Math.min(reach, context * shuffle),
        stages: stagesOf({ context: reach, shuffle }),
        unit: shuffle,
        scale,
        workShare,
        price,
        pace,
      });
    },
  };
}
