import { AppError } from './error.ts';
import type { Owner } from './keys.ts';

/**
 * Places that are few: open streams, requests that wait, files on their way. By dynamic thresholds (Choudhury and
 * Hahne, 1998): a holder of fewer places than are free may take another. So one alone gets half of them, each of k
 * greedy ones a (k + 1)-th, and there is always one for a holder of none.
 */

/** One of those that share. */
export interface Holder {
  kind: 'account' | 'end user' | 'job' | 'file';
  /** Which of them; told to nobody. */
  id: string;
  /** Of the free places. Default: all. */
  portion?: number;
  /** However many are free. */
  most?: number;
}

interface Options {
  /** Their purpose, as in `RateLimit-Policy`. */
  policy: string;
  /** That there are in this process. */
  total: number;
}

const RETRY_SECONDS = 5;
const PORTION_OF_USER = 1 / 2;

/** Holders of the places of this owner. */
export function holdersOf({ account, test, end_user }: Owner): Holder[] {
  const id = JSON.stringify([account, test ?? false, end_user]);
  const user = { kind: 'end user', id, portion: PORTION_OF_USER } as const;
  return [{ kind: 'account', id: `${account} ${test ?? false}` }, ...(end_user === undefined ? [] : [user])];
}

function nameOf({ kind, id }: Holder): string {
  return `${kind} ${id}`;
}

export function mayTakeAnother(held: number, free: number, portion = 1): boolean {
  return held < free * portion;
}

export function createPlaces({ policy, total }: Options) {
  const held = new Map<string, number>();
  let taken = 0;

  /** The one that has enough. */
  function fullOf(holders: readonly Holder[]): Holder | undefined {
    return holders.find((holder) => {
      const { portion, most = total } = holder;
      const count = held.get(nameOf(holder)) ?? 0;
      return count >= most || !mayTakeAnother(count, total - taken, portion);
    });
  }

  /** Gives the place back, once. */
  function take(holders: readonly Holder[]): () => void {
    const names = holders.map(nameOf);
    taken++;
    for (const name of names) held.set(name, (held.get(name) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      taken--;
      for (const name of names) {
        const left = held.get(name)! - 1;
        if (left === 0) held.delete(name);
        else held.set(name, left);
      }
    };
  }

  return {
    /** Returns how to give it back. Throws `quota-exceeded`, and `unavailable` where nobody gets one. */
    take(holders: readonly Holder[]): () => void {
      const headers = { 'Retry-After': String(RETRY_SECONDS) };
      if (taken >= total)
        throw new AppError('unavailable', `All ${total} ${policy} are taken; come again.`, { headers });
      const full = fullOf(holders);
      if (!full) return take(holders);
      const count = held.get(nameOf(full)) ?? 0;
      const rule = `The ${full.kind} has ${count} of ${total} ${policy}, and ${total - taken} are free`;
      throw new AppError('quota-exceeded', `${rule}; others need their share.`, {
        violatedPolicies: [policy],
        headers,
      });
    },
    /** Undefined: there is none for them. */
    tryTake(holders: readonly Holder[]): (() => void) | undefined {
      return taken >= total || fullOf(holders) ? undefined : take(holders);
    },
  };
}

/** The body, which tells once that it is over: read to its end, broken off, or given up by its reader. */
export function tellingEnd(body: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          onEnd();
          controller.close();
        } catch (error) {
          onEnd();
          controller.error(error);
        }
      },
      cancel(reason) {
        onEnd();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
