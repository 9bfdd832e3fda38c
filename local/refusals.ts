import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { Log } from '../shared/log.ts';

interface Options {
  log: Log;
  /** Proxies in front, each of which adds an address to X-Forwarded-For. Default: none, and the header is anybody's. */
  trustedProxies?: number | undefined;
  /** Milliseconds, of a clock that only goes on. */
  now?: () => number;
}

const MINUTE_MILLISECONDS = 60_000;
/** Lines a minute. More than tools that count them ask for, and few enough for a log. */
const MOST_OF_ADDRESS = 30;
const MOST_OF_ALL = 600;

/**
 * Tells of keys, tokens and links that were not accepted: one line each with the address, for programs that count them
 * (fail2ban). A request without any is no attempt. Call it with each request.
 */
export function createRefusalLog({ log, trustedProxies = 0, now = () => performance.now() }: Options) {
  let began = now();
  let all = 0;
  let leftOut = 0;
  let ofAddress = new Map<string, number>();

  function tell(address: string, fields: Record<string, unknown>): void {
    if (now() - began >= MINUTE_MILLISECONDS) {
      began = now();
      all = 0;
      ofAddress = new Map();
    }
    const own = ofAddress.get(address) ?? 0;
    if (own >= MOST_OF_ADDRESS || all >= MOST_OF_ALL) {
      leftOut++;
      return;
    }
    all++;
    ofAddress.set(address, own + 1);
    log.warn('auth.refused', { address, ...fields, ...(leftOut > 0 && { left_out: leftOut }) });
    leftOut = 0;
  }

  return (request: IncomingMessage, response: ServerResponse): void => {
    const { headers, method, url = '' } = request;
    // Asked at once: of a connection that is gone nobody knows the address.
    const address = addressOf(request, trustedProxies);
    response.once('finish', () => {
      const hasKey = headers.authorization !== undefined || headers['x-api-key'] !== undefined;
      if (response.statusCode !== (hasKey ? 401 : 403)) return;
      // The signature of a link is behind the question mark.
      tell(address, { by: hasKey ? 'key' : 'link', method, path: url.split('?', 1)[0] });
    });
  };
}

/** The last addresses were added by proxies that are trusted; anybody may have sent those before them. */
function addressOf({ socket, headers }: IncomingMessage, trustedProxies: number): string {
  const peer = plain(socket.remoteAddress ?? '') ?? 'unknown';
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',');
  return (trustedProxies > 0 && plain(forwarded.at(-trustedProxies) ?? '')) || peer;
}

/** Undefined: it is no address. Some proxies add a port, and IPv4 may be written as IPv6. */
function plain(text: string): string | undefined {
  const address = text
    .trim()
    .replace(/^\[(.+)\](?::\d+)?$/, '$1')
    .replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
    .replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) ? address : undefined;
}
