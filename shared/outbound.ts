import { AppError } from './error.ts';

/** One HTTP request to an address that somebody outside chose. */
export interface OutboundRequest {
  method: 'GET' | 'POST' | 'PUT';
  url: string;
  headers?: Record<string, string>;
  body?: Uint8Array | ReadableStream<Uint8Array>;
  /** For all of it, the body of the answer included. */
  timeoutSeconds: number;
  /** A longer body of the answer fails with `too-large`. */
  maxBytes: number;
}

export interface OutboundResponse {
  /** Any; redirects are never followed. */
  status: number;
  headers: Headers;
  /** Must be read to its end or canceled. */
  body: ReadableStream<Uint8Array>;
}

/** The only way to the addresses that callers name. It refuses forbidden addresses with `url-refused`. */
export interface Outbound {
  /** Looks at the URL alone, without resolving its name. Throws `url-refused`. */
  check(url: string): void;
  /** Throws `url-refused`, and `fetch-failed` when nobody answers in time. */
  fetch(request: OutboundRequest): Promise<OutboundResponse>;
}

/** For installations that reach nobody. */
export const NO_OUTBOUND: Outbound = {
  check: refuse,
  fetch: async () => refuse(),
};

/** The first bytes of a body as text, at most `bytes` of them; the rest is canceled. A body that breaks off ends there. */
export async function readBeginning(body: ReadableStream<Uint8Array>, bytes: number): Promise<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let left = bytes;
  try {
    while (left > 0) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value.subarray(0, left), { stream: true });
      left -= value.length;
    }
  } catch {
    // The bytes so far are all that there are.
  }
  await reader.cancel().catch(() => {});
  return text;
}

function refuse(): never {
  throw new AppError('url-refused', 'This installation sends nothing to addresses that callers name.');
}
