import { useEffect, useMemo, useState } from 'preact/hooks';
import { isApiError, isFault } from '../../shared/client.ts';

/**
 * The one way in which the page asks for something: a question whose failure may pass is asked again, after a while,
 * when the network is back, when somebody looks at the page again, and when they press a button.
 */

const FIRST_PAUSE_MILLISECONDS = 3_000;
const LONGEST_PAUSE_MILLISECONDS = 30_000;

const knocks = new EventTarget();

/** Everything that waits to ask again does so now. */
export function askAgain(): void {
  knocks.dispatchEvent(new Event('knock'));
}
addEventListener('online', askAgain);
document.addEventListener('visibilitychange', () => document.hidden || askAgain());

/** Whether the same call may succeed later. The word of a proxy (`unexplained`) is not the service's last. */
export function mayPass(error: unknown): boolean {
  if (isApiError(error)) return error.problem.retryable || error.problem.code === 'unexplained';
  return isFault(error) && error.fault !== 'unreadable';
}

interface KeepAsking {
  signal: AbortSignal;
  /** Of each failure, until there is an answer. */
  onTrouble: (error: unknown) => void;
}

/** Rejects with a refusal that will stay, and with the reason of the signal. */
export async function keepAsking<Value>(ask: () => Promise<Value>, { signal, onTrouble }: KeepAsking): Promise<Value> {
  for (let pause = FIRST_PAUSE_MILLISECONDS; ; pause = Math.min(LONGEST_PAUSE_MILLISECONDS, 2 * pause)) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      onTrouble(error);
      if (!mayPass(error)) throw error;
      const asked = isApiError(error) ? 1000 * (error.retryAfterSeconds ?? 0) : 0;
      await restUntilKnock(Math.max(pause, asked), signal);
    }
  }
}

/** `milliseconds` may be more than a timer can hold. Rejects with the reason of the signal. */
export function restUntilKnock(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const end = (finish: () => void) => () => {
      clearTimeout(timer);
      over.abort();
      finish();
    };
    const timer = setTimeout(end(resolve), boundedDelay(milliseconds));
    knocks.addEventListener('knock', end(resolve), { signal: over.signal });
    signal.addEventListener(
      'abort',
      end(() => reject(signal.reason)),
      { signal: over.signal },
    );
    if (signal.aborted) end(() => reject(signal.reason))();
  });
}

/** A timer that is asked for more goes off at once. */
const LONGEST_DELAY_MILLISECONDS = 2 ** 31 - 1;

export function boundedDelay(milliseconds: number): number {
  return Math.min(LONGEST_DELAY_MILLISECONDS, Math.max(0, milliseconds));
}

export interface Asked<Value> {
  /** Of the last answer to these inputs. */
  value: Value | undefined;
  /** Why there is none, or no newer one. */
  error: unknown;
  again: () => void;
}

/** The answer, asked for anew whenever an input changes; `ask` undefined: nothing is asked. */
export function useAsked<Value>(
  ask: ((signal: AbortSignal) => Promise<Value>) | undefined,
  inputs: readonly unknown[],
): Asked<Value> {
  const [round, setRound] = useState(0);
  const question = useMemo(() => ({}), [...inputs, round]);
  const [state, setState] = useState<{ question: object; value?: Value; error?: unknown }>({ question });
  useEffect(() => {
    if (!ask) return;
    const leaving = new AbortController();
    const { signal } = leaving;
    const onTrouble = (error: unknown) => setState({ question, error });
    keepAsking(() => ask(signal), { signal, onTrouble }).then(
      (value) => signal.aborted || setState({ question, value }),
      () => {}, // told already
    );
    return () => leaving.abort(new DOMException('Nobody waits for it any more.', 'AbortError'));
  }, [question]);
  // The answer to another question is no answer to this one, not even for a moment.
  const { value, error } = state.question === question ? state : {};
  return { value, error, again: () => setRound((count) => count + 1) };
}
