import { AppError } from './error.ts';

/** No page has such an origin: its own is `null`, or it comes by another scheme. */
const NOT_OF_PAGES = ['about:', 'blob:', 'data:', 'file:', 'ftp:', 'javascript:', 'ws:', 'wss:'];
const RULE = 'an origin such as https://example.com';

/**
 * The origin of a page as browsers send it (RFC 6454, URL standard): in lower case, IDN in punycode, without default port.
 * Also of apps and extensions, whose schemes are their own. Throws `invalid`.
 */
export function readPageOrigin(text: string): string {
  if (text === 'null') throw refuse('null is sent by all pages that have no origin, of whomever');
  const url = URL.parse(text);
  if (!url) throw refuse(text);
  const { protocol, host, username, password, pathname, search, hash } = url;
  if (NOT_OF_PAGES.includes(protocol)) throw refuse(`no page has one with ${protocol}`);
  if (host === '') throw refuse(`${text}: it has no host`);
  if (host.includes('*')) throw refuse(`${host}: each host is to be named`);
  if (username || password || !['', '/'].includes(pathname) || search || hash || /[?#]$/.test(text)) {
    throw refuse(`${text}: nothing comes after the host and port`);
  }
  return `${protocol}//${host.toLowerCase()}`;
}

function refuse(reason: string): AppError {
  return new AppError('invalid', `${RULE} (${reason})`);
}
