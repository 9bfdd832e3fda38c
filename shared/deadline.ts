import { unavailable } from './store-error.ts';

/** Every wait for something outside has an end of its own: a time, or a stop. */

/** `work`, or `unavailable` with the name of the part when its time is over. The work may happen all the same. */
export async function within<Result>(milliseconds: number, part: string, work: Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(noAnswer(part, milliseconds)), milliseconds);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Until `work` has ended, however it did, or its time is over. */
export async function atMost(milliseconds: number, work: Promise<unknown>): Promise<void> {
  await within(milliseconds, '', work).catch(() => {});
}

/** `work`, or the reason of the signal as soon as it is aborted. */
export async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

export function noAnswer(part: string, milliseconds: number): Error {
  return unavailable(`The ${part} has not answered for ${milliseconds / 1000} s.`);
}
