import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Context, Hono } from 'hono';

const SOURCES = fileURLToPath(new URL('../functions/web/', import.meta.url));
const CLIENT = fileURLToPath(new URL('../shared/client.ts', import.meta.url));
const SCRIPTS = { page: `${SOURCES}page.tsx`, reference: `${SOURCES}reference.tsx`, client: CLIENT };
const PLAIN = ['index.html', 'docs.html', 'page.css', 'icon.svg', 'arrows.svg'];

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
/** Nothing from elsewhere, nothing inline. `blob:` is the photo that was chosen, and its result. */
const POLICY = [
  "default-src 'self'",
  "img-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
/** A page of any origin may import the client, and need not ask for it anew within five minutes. */
const FOR_OTHER_PAGES = {
  'Access-Control-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Cache-Control': 'public, max-age=300',
};

interface File {
  body: Uint8Array<ArrayBuffer>;
  etag: string;
}

/**
 * The page at `/` for browsers, the reference at `/docs`, what they load under `/web/`, and the client at `/client.js`
 * for pages of others; every other request is the API's. They are static files, made from their sources in memory at the
 * first request: no build step, no artifact.
 */
export function createWebsite(api: (request: Request) => Response | Promise<Response>): Hono {
  const files = once(makeFiles);
  const send = async (c: Context, name: string, more: Record<string, string> = {}) => {
    const file = (await files()).get(name);
    if (!file) return api(c.req.raw);
    const headers = {
      'Content-Type': TYPES[extname(name)]!,
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': POLICY,
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
      ETag: file.etag,
      Vary: 'Accept',
      ...more,
    };
    if (c.req.header('If-None-Match') === file.etag) return c.body(null, 304, headers);
    return c.body(file.body, 200, headers);
  };

  const site = new Hono();
  site.get('/', (c) => (c.req.header('Accept')?.includes('text/html') ? send(c, 'index.html') : api(c.req.raw)));
  site.get('/docs', (c) => send(c, 'docs.html'));
  site.get('/client.js', (c) => send(c, 'client.js', FOR_OTHER_PAGES));
  site.get('/web/:name', (c) => send(c, c.req.param('name')));
  site.all('*', (c) => api(c.req.raw));
  return site;
}

async function makeFiles(): Promise<Map<string, File>> {
  const plain = PLAIN.map(async (name) => [name, await readFile(SOURCES + name)] as const);
  const bundled = build({
    entryPoints: SCRIPTS,
    outdir: '/',
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
  });
  const scripts = (await bundled).outputFiles.map(({ path, contents }) => [basename(path), contents] as const);
  const all = [...(await Promise.all(plain)), ...scripts];
  return new Map(all.map(([name, contents]) => [name, { body: new Uint8Array(contents), etag: etagOf(contents) }]));
}

function etagOf(contents: Uint8Array): string {
  return `"${createHash('sha256').update(contents).digest('base64url').slice(0, 22)}"`;
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
