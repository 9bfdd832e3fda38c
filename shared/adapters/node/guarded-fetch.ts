import dns from 'node:dns';
import type { IncomingMessage } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../error.ts';
import type { Outbound, OutboundRequest, OutboundResponse } from '../../outbound.ts';
import { asStoreError, isStoreError } from '../../store-error.ts';
import { createDnsLookup } from './dns-lookup.ts';
import { isPublicAddress } from './public-address.ts';

interface Options {
  /** Else only https. */
  allowHttp: boolean;
  /** `host` or `host:port`, as `parseAllowHosts` gives them: exempt from every rule on scheme, port and address. */
  allowHosts: readonly string[];
  /** Default: 80 and 443. */
  ports?: readonly number[];
  /** Default: DNS; for exempt hosts the resolver of the operating system. */
  lookup?: LookupFunction;
}

const DEFAULT_PORTS = [80, 443];
const MAX_URL_CHARACTERS = 2048;
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * Requests to addresses that callers name, which are hostile until proven otherwise (OWASP: server-side request
 * forgery). The name is resolved once for each request, and the very address that the socket connects to is judged: a
 * name that resolves to another address the next time gains nothing. Redirects are not followed, no cookies, keys or
 * proxies are used, no connection is kept.
 */
export function createGuardedFetch({ allowHttp, allowHosts, ports = DEFAULT_PORTS, lookup }: Options) {
  const rules = { allowHttp, allowHosts, ports };
  const guarded = guardLookup(lookup ?? createDnsLookup());
  const trusted = lookup ?? dns.lookup;
  const outbound: Outbound = {
    check(url) {
      parse(url, rules);
    },
    async fetch(request) {
      const { target, isExempt } = parse(request.url, rules);
      const signal = AbortSignal.timeout(request.timeoutSeconds * 1000);
      try {
        const response = await send(request, target, { signal, lookup: isExempt ? trusted : guarded, isExempt });
        return readable(response, request, signal);
      } catch (error) {
        throw explain(error, request, signal);
      }
    },
  };
  return outbound;
}

function parse(url: string, { allowHttp, allowHosts, ports }: Required<Omit<Options, 'lookup'>>) {
  if (url.length > MAX_URL_CHARACTERS) throw refused(`A URL has at most ${MAX_URL_CHARACTERS} characters.`);
  const target = URL.parse(url);
  if (!target) throw refused('This is not an absolute URL.');
  const { protocol, hostname } = target;
  if (protocol !== 'https:' && protocol !== 'http:') throw refused(`The scheme is ${protocol} and must be https:.`);
  if (target.username || target.password) throw refused('A URL with user name or password is not accepted.');
  const port = Number(target.port || (protocol === 'https:' ? 443 : 80));
  if (allowHosts.includes(`${hostname}:${port}`) || allowHosts.includes(hostname)) return { target, isExempt: true };
  if (protocol === 'http:' && !allowHttp) throw refused('The scheme is http: and must be https:.');
  if (!ports.includes(port)) throw refused(`The port is ${port} and must be one of ${ports.join(', ')}.`);
  // Sockets connect to a literal address without any lookup. The URL parser has made 0x7f.1 and 2130706433 plain.
  const literal = hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !isPublicAddress(literal)) throw refused(`${hostname} is not a public address.`);
  return { target, isExempt: false };
}

/** One address that is not public makes the whole name suspect: no choice is left to the socket. */
function guardLookup(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found;
      const first = addresses[0];
      if (!first) return callback(new Error(`${hostname} has no address`), []);
      const isPublic = addresses.every(({ address }) => isPublicAddress(address));
      if (!isPublic) return callback(refused(`${hostname} leads to an address that is not public.`), []);
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

async function send(
  { method, headers, body }: OutboundRequest,
  target: URL,
  { signal, lookup, isExempt }: { signal: AbortSignal; lookup: LookupFunction; isExempt: boolean },
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  // A cold start of the API, which only checks, need not load them.
  const client = target.protocol === 'https:' ? await import('node:https') : await import('node:http');
  const request = client.request(target, {
    method,
    headers: { 'User-Agent': 'seesr-cloud', 'Accept-Encoding': 'identity', ...headers },
    agent: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    lookup,
    signal,
  });
  request.once('response', resolve);
  request.once('error', reject);
  request.once('socket', (socket) => {
    // The last word: nothing is ever sent to an address that is not public.
    socket.once('connect', () => {
      const { remoteAddress } = socket;
      if (!isExempt && !(remoteAddress && isPublicAddress(remoteAddress))) {
        request.destroy(refused(`${target.hostname} leads to an address that is not public.`));
      }
    });
  });
  if (body === undefined || body instanceof Uint8Array) request.end(body);
  else pipeline(Readable.fromWeb(body), request).catch(reject);
  return promise;
}

/** The answer, whose body breaks off with an error of ours when it is too long, too slow or cut. */
function readable(response: IncomingMessage, request: OutboundRequest, signal: AbortSignal): OutboundResponse {
  const headers = new Headers();
  for (const [name, values] of Object.entries(response.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  async function* read() {
    let left = request.maxBytes;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        yield new Uint8Array(chunk.subarray(0, left));
        left -= chunk.length;
        if (left < 0) throw new AppError('too-large', `The answer has more than ${request.maxBytes} bytes.`);
      }
    } catch (error) {
      throw explain(error, request, signal);
    } finally {
      response.destroy();
    }
  }
  return { status: response.statusCode ?? 0, headers, body: ReadableStream.from(read()) };
}

/** Never the URL itself, which may hold a secret in its query: only its host. */
function explain(error: unknown, { url, timeoutSeconds }: OutboundRequest, signal: AbortSignal): AppError {
  if (error instanceof AppError) return error;
  const { host } = new URL(url);
  const ours = asStoreError(error);
  if (isStoreError(ours)) return ours; // no handle was left for the connection: no fault of the other server
  if (signal.aborted) return new AppError('fetch-failed', `${host} did not answer within ${timeoutSeconds} s.`);
  const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  return new AppError('fetch-failed', `${host} could not be reached: ${reason}.`);
}

function refused(message: string): AppError {
  return new AppError('url-refused', message);
}
