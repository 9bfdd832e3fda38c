import { type Pace, type Paces, withSample } from '../../pace.ts';
import type { StateStore } from '../../ports.ts';
import { keyOf, parse } from './dynamo-items.ts';
import type { Dynamo } from './dynamo-transaction.ts';

export function createDynamoPaces(dynamo: Dynamo, now: () => number): Pick<StateStore, 'getPaces' | 'recordPace'> {
  return {
    async getPaces() {
      const { pk, sk } = keyOf.pace('');
      const items = await dynamo.query(pk, sk, `${sk}~`);
      return Object.fromEntries(items.map((item) => [item.sk.slice(sk.length), parse<Pace>(item)])) as Paces;
    },
    async recordPace(model, sample) {
      const key = keyOf.pace(model);
      await dynamo.transact(async () => {
        const item = await dynamo.get(key);
        const pace = withSample(item && parse<Pace>(item), sample, now());
        const by = { ...key, data: JSON.stringify(pace) };
        return { result: undefined, writes: [{ replace: { was: item ?? null, by } }] };
      });
    },
  };
}
