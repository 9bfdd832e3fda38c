import { useCallback, useEffect, useState } from 'preact/hooks';
import { isRef } from './order.ts';

/** Where the page is, as its address says: a reload, the keys for back and forward and a bookmark lead there again. */
export interface Place {
  /** Orders by key, or by the id of their job. None: photos are chosen. */
  refs: readonly string[];
  /** Their photos once more, with other settings. */
  isAgain: boolean;
  /** A photo comes from another app. */
  isShared: boolean;
}

const AGAIN = 'again=';
const SHARED = 'shared';

/** An address cannot hold these; they lie beside it. */
export interface Beside {
  /** Refs of the several photos that this one was opened from. */
  all?: readonly string[];
  /** The choices on this screen. */
  choices?: Record<string, unknown>;
}

const HOME: Place = { refs: [], isAgain: false, isShared: false };

function readPlace(): Place {
  const hash = location.hash.slice(1);
  const isAgain = hash.startsWith(AGAIN);
  const refs = (isAgain ? hash.slice(AGAIN.length) : hash).split(',').filter(isRef);
  return { refs, isAgain: isAgain && refs.length > 0, isShared: hash === SHARED };
}

export function readBeside(): Beside {
  return (history.state as Beside | null) ?? {};
}

export function addressOf({ refs, isAgain }: Pick<Place, 'refs' | 'isAgain'>): string {
  if (refs.length === 0) return location.pathname;
  return `#${isAgain ? AGAIN : ''}${refs.join()}`;
}

interface GoOptions {
  /** The place before is not gone back to. */
  isReplacing?: boolean;
  beside?: Beside;
}

export type Go = (place: Partial<Place>, options?: GoOptions) => void;

/** The place that is shown, and the way to others. */
export function usePlace(): { place: Place; address: string; go: Go } {
  const [place, setPlace] = useState(readPlace);
  useEffect(() => {
    const look = () => setPlace(readPlace());
    addEventListener('popstate', look);
    return () => removeEventListener('popstate', look);
  }, []);
  const go = useCallback<Go>((next, { isReplacing = false, beside = {} } = {}) => {
    const address = addressOf({ ...HOME, ...next });
    if (isReplacing) history.replaceState(beside, '', address);
    else history.pushState(beside, '', address);
    setPlace(readPlace());
    if (!isReplacing) scrollTo(0, 0);
  }, []);
  return { place, address: addressOf(place), go };
}
