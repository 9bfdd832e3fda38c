import { useEffect } from 'preact/hooks';
import type { Client, Quote, QuoteRequest } from '../../shared/client.ts';
import { type Asked, boundedDelay, useAsked } from './asking.ts';
import { serverNow } from './server-clock.ts';
import type { Choices } from './settings.ts';

/** Choosing comes in bursts: ask once it is quiet. */
const QUIET_MILLISECONDS = 250;
/** Before its end a quote is renewed, but never more often than this. */
const MARGIN_MILLISECONDS = 60_000;
const LEAST_MILLISECONDS = 30_000;

interface QuoteOptions {
  /** Of the photos that are known. */
  sizes: readonly { width: number; height: number }[];
  /** With the model, once it is known. */
  choices: Choices | undefined;
}

/**
 * The price of the jobs and their time, one quote for each size; asked for anew when a choice changes, or
 * their time is over by the clock of the service. Undefined until they are there.
 */
export function useQuotes(client: Client, { sizes, choices }: QuoteOptions): Asked<Quote[]> {
  const request = sizes.length > 0 && choices && JSON.stringify({ choices, sizes: distinct(sizes) });
  const asked = useAsked(
    request
      ? async (signal) => {
          await new Promise((resolve) => setTimeout(resolve, QUIET_MILLISECONDS));
          signal.throwIfAborted();
          const { choices, sizes } = JSON.parse(request) as { choices: Choices; sizes: object[] };
          return Promise.all(sizes.map((input) => client.quote({ ...choices, input } as QuoteRequest, { signal })));
        }
      : undefined,
    [client, request],
  );
  const quotes = asked.value;
  useEffect(() => {
    if (!quotes) return;
    const end = Math.min(...quotes.map(({ expires_at }) => Date.parse(expires_at)));
    const left = Math.max(LEAST_MILLISECONDS, end - serverNow() - MARGIN_MILLISECONDS);
    const timer = setTimeout(asked.again, boundedDelay(left));
    return () => clearTimeout(timer);
  }, [quotes]);
  return asked;
}

/** Photos of one camera have one size. */
function distinct(sizes: readonly { width: number; height: number }[]) {
  return [...new Map(sizes.map(({ width, height }) => [`${width}×${height}`, { width, height }])).values()];
}
