import { claimedDelivery, type Delivery } from '../../delivery.ts';
import { type Lane, lineOf, mayGo, senderOf } from '../../lanes.ts';
import { deliveryItem, type Item, type Key, keyOf, parse, seconds, targetOf } from './dynamo-items.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

/** Attempts under way in one line: a lane each, until `due_at` (ms). */
type Lanes = (Lane & { id: string; due_at: number })[];

/** Claims of deliveries: one process at a time gets a delivery, and no line or receiver more than its share. */
export function createClaims(dynamo: Dynamo, now: () => number) {
  /** The lanes of its line where there is none for it. Null: somebody else has it. */
  async function claim(entry: Key, free: number): Promise<Delivery | Lanes | null> {
    return dynamo.transact<Delivery | Lanes | null>(async () => {
      const [item] = await dynamo.visible([await dynamo.get(entry)]);
      const before = item && parse<Delivery>(item);
      if (before?.due_at === undefined || before.due_at > now()) return { result: null, writes: [] };
      const lane = laneIn(targetOf(before))!;
      const line = lineOf(lane.sender);
      const known = await dynamo.get(keyOf.line(line));
      const lanes = lanesIn(known, now());
      if (!mayGo(lanes, lane, free)) return { result: lanes, writes: [] };
      const delivery = claimedDelivery(before, now());
      const taken = [...lanes, { ...lane, id: delivery.id, due_at: delivery.due_at! }];
      const writes = [{ replace: { was: item!, by: deliveryItem(delivery) } }, replaceLanes(line, known, taken, now())];
      return { result: delivery, writes };
    });
  }

  async function claimDelivery(free = Number.POSITIVE_INFINITY): Promise<Delivery | null> {
    // Of the lines in which something had to wait: the index may name a thousand more of them first.
    const full = new Map<string, Lanes>();
    for await (const { pk, sk, target } of dynamo.due('DELIVERY', now())) {
      const lane = laneIn(target);
      const line = lane && lineOf(lane.sender);
      const lanes = line && full.get(line);
      if (lanes && !mayGo(lanes, lane, free)) continue;
      const claimed = await claim({ pk, sk }, free);
      if (Array.isArray(claimed)) {
        if (line) full.set(line, claimed);
      } else if (claimed) return claimed;
    }
    return null;
  }

  let turn: Promise<unknown> = Promise.resolve();
  return {
    /** One after the other: claims of one process would only be in one another's way. */
    claimDelivery(free?: number): Promise<Delivery | null> {
      const mine = turn.then(() => claimDelivery(free));
      turn = mine.catch(() => {});
      return mine;
    },
    /** Writes that go with the end of the attempt. */
    async release(delivery: Delivery): Promise<Write[]> {
      const line = lineOf(senderOf(delivery));
      const known = await dynamo.get(keyOf.line(line));
      const lanes = lanesIn(known, now());
      const rest = lanes.filter(({ id }) => id !== delivery.id);
      return known && rest.length < lanes.length ? [replaceLanes(line, known, rest, now())] : [];
    },
  };
}

/** `target`: of an item. Undefined: it was written by an earlier version, which knew no senders. */
function laneIn(target = ''): Lane | undefined {
  const end = target.lastIndexOf('/');
  return end < 0 ? undefined : { sender: target.slice(0, end), target: target.slice(end + 1) };
}

/** A process that died with a delivery keeps its lane as long as the delivery itself. */
function lanesIn(known: Item | undefined, now: number): Lanes {
  return known ? parse<Lanes>(known).filter(({ due_at }) => due_at > now) : [];
}

function replaceLanes(line: string, known: Item | undefined, lanes: Lanes, now: number): Write {
  // Of a line in which nothing is under way nothing need be known.
  const keptUntil = Math.max(now, ...lanes.map(({ due_at }) => due_at));
  const by = { ...keyOf.line(line), data: JSON.stringify(lanes), expires_at_seconds: seconds(keptUntil) };
  return { replace: { was: known ?? null, by } };
}
