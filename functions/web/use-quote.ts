import { useEffect, useState } from 'preact/hooks';
import type { Client, Quote, QuoteRequest } from '../../shared/client.ts';
import type { Choices } from './settings.ts';

/** Choosing comes in bursts: ask once it is quiet. */
const QUIET_MILLISECONDS = 250;
const LEAST_MILLISECONDS = 5_000;

interface QuoteOptions {
  /** Of the photo, once it is known. */
  size: { width: number; height: number } | undefined;
  /** With the model, once it is known. */
  choices: Choices | undefined;
  onError: (error: unknown) => void;
}

/** What the job will cost and how long it will take; asked for anew when a choice changes, or its time is over. */
export function useQuote(client: Client, { size, choices, onError }: QuoteOptions): Quote | undefined {
  const [quote, setQuote] = useState<Quote>();
  const request = size && choices && JSON.stringify({ ...choices, input: size });
  useEffect(() => {
    setQuote(undefined);
    if (!request) return;
    const leaving = new AbortController();
    const { signal } = leaving;
    let timer = setTimeout(ask, QUIET_MILLISECONDS);
    function ask() {
      client.quote(JSON.parse(request!) as QuoteRequest, { signal }).then(
        (answer) => {
          setQuote(answer);
          timer = setTimeout(ask, Math.max(LEAST_MILLISECONDS, Date.parse(answer.expires_at) - Date.now() - 60_000));
        },
        (error) => signal.aborted || onError(error),
      );
    }
    return () => {
      clearTimeout(timer);
      leaving.abort();
    };
  }, [client, request, onError]);
  return quote;
}
