import { type Context, Hono } from 'hono';
import { compress } from 'hono/compress';
import { etag, RETAINED_304_HEADERS } from 'hono/etag';

/** By name, e.g. `index.html`. */
export type WebsiteFiles = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

interface Options {
  /** Asked for at the first request, and again when that failed. */
  load: () => Promise<WebsiteFiles>;
  /** Where uploads go to and results come from. Default: the service's own. */
  storageOrigin?: string;
}

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  webmanifest: 'application/manifest+json',
};
/** A page of any origin may import the client, and need not ask for it anew within five minutes. */
const FOR_OTHER_PAGES = {
  'Access-Control-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Cache-Control': 'public, max-age=300',
};

/**
 * The page at `/` for browsers, the reference at `/docs`, their files under `/web/`, and the client at `/client.js`
 * for pages of others; every other request is the API's. Text is compressed for clients that take that.
 */
export function createWebsite(
  api: (request: Request) => Response | Promise<Response>,
  { load, storageOrigin }: Options,
): Hono {
  const files = once(load);
  const policy = contentPolicy(storageOrigin);
  const send = async (c: Context, name: string, more: Record<string, string> = {}) => {
    const file = (await files()).get(name);
    if (!file) return api(c.req.raw);
    return c.body(file, 200, {
      'Content-Type': TYPES[name.split('.').at(-1)!]!,
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': policy,
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
      Vary: 'Accept',
      ...more,
    });
  };

  const site = new Hono();
  const tag = etag({ retainedHeaders: [...RETAINED_304_HEADERS, ...Object.keys(FOR_OTHER_PAGES)] });
  for (const path of ['/', '/docs', '/client.js', '/service-worker.js', '/web/*']) site.use(path, compress());
  site.get('/', tag, (c) => (c.req.header('Accept')?.includes('text/html') ? send(c, 'index.html') : api(c.req.raw)));
  site.get('/docs', tag, (c) => send(c, 'docs.html'));
  site.get('/client.js', tag, (c) => send(c, 'client.js', FOR_OTHER_PAGES));
  // Beside the page: it may take only requests below it.
  site.get('/service-worker.js', tag, (c) => send(c, 'service-worker.js'));
  // The service worker takes shared files. The page asks for the photo where there is no worker yet.
  site.post('/share', (c) => c.redirect('./#shared', 303));
  site.get('/web/:name', tag, (c) => send(c, c.req.param('name')));
  site.all('*', (c) => api(c.req.raw));
  return site;
}

/** Nothing from elsewhere, nothing inline. `blob:` is the photo that was chosen, and its result. */
function contentPolicy(storageOrigin = ''): string {
  const rules = [
    "default-src 'self'",
    `connect-src 'self' ${storageOrigin}`,
    `img-src 'self' blob: ${storageOrigin}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return rules.map((rule) => rule.trim()).join('; ');
}

/** A failure is not remembered. */
function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
