import { faultError } from './client-fault.ts';

/** How a call is given up. Of the client: runtimes differ in the abilities of their signals. */

/** Of a call that carries no file. */
const PATIENCE_SECONDS = 60;

export interface Patience {
  signal: AbortSignal | undefined;
  /** Default: a minute. */
  seconds?: number;
}

/**
 * `send` with a signal that is aborted together with the given one, or when its time is over; that covers the reading
 * of the answer, too. `renew` gives it as much time again. `AbortSignal.any` and `.timeout` would do so: React Native
 * lacks both, Safari 17.3 the one, 15 the other.
 */
export async function patiently<Answer>(
  send: (signal: AbortSignal, renew: () => void) => Promise<Answer>,
  { signal, seconds = PATIENCE_SECONDS }: Patience,
): Promise<Answer> {
  const call = new AbortController();
  let isLate = false;
  const stop = () => call.abort();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const renew = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      isLate = true;
      stop();
    }, seconds * 1000);
  };
  renew();
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  try {
    return await send(call.signal, renew);
  } catch (error) {
    throw isLate ? faultError('stalled', `Nothing has come for ${seconds} s.`) : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/** Where signals keep no reason (React Native), the error that `fetch` would throw. */
export function reasonOf(signal: AbortSignal): unknown {
  return signal.reason ?? Object.assign(new Error('The call was aborted.'), { name: 'AbortError' });
}
