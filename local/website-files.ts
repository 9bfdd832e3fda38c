import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { WebsiteFiles } from '../functions/api/website.ts';

const SOURCES = fileURLToPath(new URL('../functions/web/', import.meta.url));
const CLIENT = fileURLToPath(new URL('../shared/client.ts', import.meta.url));
const SCRIPTS = {
  page: `${SOURCES}page.tsx`,
  reference: `${SOURCES}reference.tsx`,
  'service-worker': `${SOURCES}service-worker.ts`,
};
const PLAIN = [
  'index.html',
  'docs.html',
  'page.css',
  'check-browser.js',
  'manifest.webmanifest',
  'icon.svg',
  'icon-192.png',
  'icon-512.png',
  'icon-maskable.png',
  'arrows.svg',
];

/** The client runs in pages and apps of others, on all browsers of their users. */
export const CLIENT_OPTIONS = {
  entryPoints: { client: CLIENT },
  bundle: true,
  format: 'esm',
  target: 'es2020',
  tsconfigRaw: {},
} as const;

/** The files of the website, by name, made from their sources. */
export async function buildWebsite(): Promise<WebsiteFiles> {
  const plain = PLAIN.map(async (name) => [name, await readFile(SOURCES + name)] as const);
  const inMemory = { outdir: '/', minify: true, write: false } as const;
  const page = build({
    ...inMemory,
    entryPoints: SCRIPTS,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    // The image has none of those that the one beside the page extends.
    tsconfigRaw: {},
    legalComments: 'eof',
  });
  const bundled = await Promise.all([page, build({ ...inMemory, ...CLIENT_OPTIONS })]);
  const files = bundled.flatMap(({ outputFiles }) => outputFiles);
  const scripts = files.map(({ path, contents }) => [basename(path), contents] as const);
  const all = [...(await Promise.all(plain)), ...scripts];
  return new Map(all.map(([name, contents]) => [name, new Uint8Array(contents)]));
}
