import type { Context } from 'hono';

export type OriginOf = (c: Context) => string;

/**
 * The start of absolute URLs, without a slash at the end: `publicUrl` with its path, else the origin of the request.
 * Throws when `publicUrl` is no URL.
 */
export function createOriginOf(publicUrl: string | undefined): OriginOf {
  if (publicUrl === undefined) return (c) => new URL(c.req.url).origin;
  const base = new URL(publicUrl).origin + basePathOf(publicUrl);
  return () => base;
}

/** Of a signed URL: that of the local store is a path on this service, where only the API knows its origin. */
export function absolute(url: string, origin: string): string {
  return url.startsWith('/') ? origin + url : url;
}

/**
 * For a service that is seen under a path of its origin: some proxies take the path away before they pass a request on,
 * others cannot. Both will do.
 */
export function underPublicPath(
  fetch: (request: Request) => Response | Promise<Response>,
  publicUrl: string | undefined,
): typeof fetch {
  const base = publicUrl === undefined ? '' : basePathOf(publicUrl);
  if (base === '') return fetch;
  return (request) => {
    const url = new URL(request.url);
    // The page names its files relative to its folder.
    if (url.pathname === base) return new Response(null, { status: 308, headers: { Location: `${base}/` } });
    if (!url.pathname.startsWith(`${base}/`)) return fetch(request);
    url.pathname = url.pathname.slice(base.length);
    return fetch(new Request(url, request));
  };
}

/** `/seesr`; empty where there is none. */
function basePathOf(publicUrl: string): string {
  return new URL(publicUrl).pathname.replace(/\/+$/, '');
}
