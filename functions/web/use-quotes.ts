import { useEffect, useState } from 'preact/hooks';
import type { Client, Quote, QuoteRequest } from '../../shared/client.ts';
import type { Choices } from './settings.ts';

/** Choosing comes in bursts: ask once it is quiet. */
const QUIET_MILLISECONDS = 250;
const LEAST_MILLISECONDS = 5_000;

interface QuoteOptions {
  /** Of the photos that are known. */
  sizes: readonly { width: number; height: number }[];
  /** With the model, once it is known. */
  choices: Choices | undefined;
  onError: (error: unknown) => void;
}

/**
 * What the jobs will cost and how long they will take, one quote for each size; asked for anew when a choice changes, or
 * their time is over. Undefined until they are there.
 */
export function useQuotes(client: Client, { sizes, choices, onError }: QuoteOptions): Quote[] | undefined {
  const [quotes, setQuotes] = useState<Quote[]>();
  const request = sizes.length > 0 && choices && JSON.stringify({ choices, sizes: distinct(sizes) });
  useEffect(() => {
    setQuotes(undefined);
    if (!request) return;
    const leaving = new AbortController();
    const { signal } = leaving;
    const asked = JSON.parse(request) as { choices: Choices; sizes: { width: number; height: number }[] };
    const quote = (input: object) => client.quote({ ...asked.choices, input } as QuoteRequest, { signal });
    let timer = setTimeout(ask, QUIET_MILLISECONDS);
    function ask() {
      Promise.all(asked.sizes.map(quote)).then(
        (answers) => {
          setQuotes(answers);
          const end = Math.min(...answers.map(({ expires_at }) => Date.parse(expires_at)));
          timer = setTimeout(ask, Math.max(LEAST_MILLISECONDS, end - Date.now() - 60_000));
        },
        (error) => signal.aborted || onError(error),
      );
    }
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [client, request, onError]);
  return quotes;
}

/** Photos of one camera have one size. */
function distinct(sizes: readonly { width: number; height: number }[]) {
  return [...new Map(sizes.map(({ width, height }) => [`${width}×${height}`, { width, height }])).values()];
}
