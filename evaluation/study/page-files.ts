import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const SOURCES = fileURLToPath(new URL('page/', import.meta.url));
/** Of the product's page, whose looks this one has. */
const WEB = fileURLToPath(new URL('../../functions/web/', import.meta.url));
const PLAIN = [
  ['/', 'text/html; charset=utf-8', `${SOURCES}index.html`],
  ['/page.css', 'text/css; charset=utf-8', `${WEB}page.css`],
  ['/study.css', 'text/css; charset=utf-8', `${SOURCES}study.css`],
  ['/icon.svg', 'image/svg+xml', `${WEB}icon.svg`],
] as const;

/** The files of the page by path, made from their sources. */
export async function buildPage() {
  const files = new Map<string, { type: string; bytes: Uint8Array<ArrayBuffer> }>();
  for (const [path, type, source] of PLAIN) files.set(path, { type, bytes: new Uint8Array(await readFile(source)) });
  const { outputFiles } = await build({
    entryPoints: [`${SOURCES}page.tsx`],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    tsconfigRaw: {},
    legalComments: 'eof',
  });
  const bytes = new Uint8Array(outputFiles[0]!.contents);
  return files.set('/page.js', { type: 'text/javascript; charset=utf-8', bytes });
}
