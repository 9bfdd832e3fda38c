import { claimedDelivery, type Delivery } from '../../delivery.ts';
import { MAX_PARALLEL_DELIVERIES } from '../../limits.ts';
import { deliveryItem, type Item, type Key, keyOf, parse, seconds, targetOf } from './dynamo-items.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

/** What is being tried to one receiver: a place of MAX_PARALLEL_DELIVERIES each, until `due_at` (ms). */
type Places = { id: string; due_at: number }[];

/** Who sends what: one at a time gets a delivery, and no receiver more than it can take. */
export function createClaims(dynamo: Dynamo, now: () => number) {
  /** `full`: the receiver has no place left. Null: somebody else has it. */
  async function claim(entry: Key, target: string): Promise<Delivery | 'full' | null> {
    return dynamo.transact<Delivery | 'full' | null>(async () => {
      const [found, receiver] = await dynamo.getMany([entry, keyOf.target(target)]);
      const [item] = await dynamo.visible([found]);
      const before = item && parse<Delivery>(item);
      if (before?.due_at === undefined || before.due_at > now()) return { result: null, writes: [] };
      const places = placesIn(receiver, now());
      if (places.length >= MAX_PARALLEL_DELIVERIES) return { result: 'full', writes: [] };
      const delivery = claimedDelivery(before, now());
      const taken = [...places, { id: delivery.id, due_at: delivery.due_at! }];
      const writes = [
        { replace: { was: item!, by: deliveryItem(delivery) } },
        replacePlaces(target, receiver, taken, now()),
      ];
      return { result: delivery, writes };
    });
  }

  async function claimDelivery(): Promise<Delivery | null> {
    const full = new Set<string>();
    for await (const { pk, sk, target } of dynamo.due('DELIVERY', now())) {
      if (full.has(target!)) continue;
      const claimed = await claim({ pk, sk }, target!);
      if (claimed === 'full') full.add(target!);
      else if (claimed) return claimed;
    }
    return null;
  }

  let turn: Promise<unknown> = Promise.resolve();
  return {
    /** One after the other: claims of one process would only be in one another's way. */
    claimDelivery(): Promise<Delivery | null> {
      const mine = turn.then(claimDelivery);
      turn = mine.catch(() => {});
      return mine;
    },
    /** What is written when the attempt is over. */
    async release(delivery: Delivery): Promise<Write[]> {
      const target = targetOf(delivery);
      const receiver = await dynamo.get(keyOf.target(target));
      const places = placesIn(receiver, now());
      const rest = places.filter(({ id }) => id !== delivery.id);
      return receiver && rest.length < places.length ? [replacePlaces(target, receiver, rest, now())] : [];
    },
  };
}

/** Whoever died with a delivery keeps its place as long as the delivery itself. */
function placesIn(receiver: Item | undefined, now: number): Places {
  return receiver ? parse<Places>(receiver).filter(({ due_at }) => due_at > now) : [];
}

function replacePlaces(target: string, receiver: Item | undefined, places: Places, now: number): Write {
  // Of a receiver that nothing is sent to nothing need be known.
  const keptUntil = Math.max(now, ...places.map(({ due_at }) => due_at));
  const by = { ...keyOf.target(target), data: JSON.stringify(places), expires_at_seconds: seconds(keptUntil) };
  return { replace: { was: receiver ?? null, by } };
}
