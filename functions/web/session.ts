import { createClient } from '../../shared/client.ts';

/** The API key of this browser, and the client that uses it. */

const NAME = 'seesr-key';

/** A key that came in the address (`/#key=…`, which no server gets to see) is kept, and taken out of the address. */
export function readKey(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get('key');
  if (given) {
    localStorage.setItem(NAME, given);
    history.replaceState(null, '', location.pathname);
  }
  return localStorage.getItem(NAME) ?? undefined;
}

export function keepKey(key: string): void {
  localStorage.setItem(NAME, key);
}

export function forgetKey(): void {
  localStorage.removeItem(NAME);
}

/** Who looks at the page wants to be told rather than to wait. */
const LONGEST_WAIT_SECONDS = 3;

export function clientFor(key: string) {
  return createClient({ baseUrl: location.origin, key, longestWaitSeconds: LONGEST_WAIT_SECONDS });
}
