import { type ApiError, type Client, createClient } from '../../shared/client.ts';
import { apiError } from '../../shared/persist.ts';
import { keepValue, readValue } from './keep-value.ts';
import { setClock } from './server-clock.ts';

/** The API key of this browser, its owner, and the client that uses it. */

const KEY = 'seesr-key';
const OWNER = 'seesr-owner';

/** A key that came in the address (`/#key=…`, which no server gets to see) is kept, and taken out of the address. */
export function readKey(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('key')?.trim();
  if (given) {
    if (given !== readValue(KEY)) keepKey(given);
    history.replaceState(null, '', location.pathname);
  }
  return readValue(KEY);
}

export function keepKey(key: string): void {
  keepValue(OWNER, undefined);
  keepValue(KEY, key);
}

export function forgetKey(): void {
  for (const name of [KEY, OWNER]) keepValue(name, undefined);
}

/** In another window the key was forgotten or changed, or the page has come back from the past of the browser. */
export function whenKeyChanges(current: string | undefined, listener: () => void): () => void {
  const listening = new AbortController();
  const look = () => readValue(KEY) !== current && listener();
  for (const type of ['storage', 'pageshow']) addEventListener(type, look, { signal: listening.signal });
  return () => listening.abort();
}

/**
 * The owner of the key: all that is kept here is theirs, and another key of theirs may see it. Asked once for a key.
 * Rejects as the client does.
 */
export async function findOwner(client: Client, signal: AbortSignal): Promise<string> {
  const known = readValue(OWNER);
  if (known) return known;
  const { account, test, end_user } = await client.ownKey({ signal });
  const owner = JSON.stringify([account, test ? 'test' : 'live', end_user ?? '']);
  keepValue(OWNER, owner);
  return owner;
}

/** People at the page want to be told rather than to wait. */
const LONGEST_WAIT_SECONDS = 3;

/** `onRefused`: the key is not valid, or not any more. */
export function clientFor(key: string, onRefused: (reason: ApiError) => void = () => {}): Client {
  return createClient({
    baseUrl: new URL('.', location.href).href,
    key,
    longestWaitSeconds: LONGEST_WAIT_SECONDS,
    async fetch(input, init) {
      const response = await fetch(input, init);
      setClock(response.headers.get('Date'));
      if (response.status === 401) {
        const problem = await response
          .clone()
          .json()
          .catch(() => undefined);
        if (problem?.code === 'unauthorized') onRefused(apiError(problem));
      }
      return response;
    },
  });
}
