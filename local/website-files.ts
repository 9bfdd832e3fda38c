import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { WebsiteFiles } from '../functions/api/website.ts';

const SOURCES = fileURLToPath(new URL('../functions/web/', import.meta.url));
const CLIENT = fileURLToPath(new URL('../shared/client.ts', import.meta.url));
const SCRIPTS = { page: `${SOURCES}page.tsx`, reference: `${SOURCES}reference.tsx`, client: CLIENT };
const PLAIN = ['index.html', 'docs.html', 'page.css', 'icon.svg', 'arrows.svg'];

/** The files of the website, by name, made from their sources. */
export async function buildWebsite(): Promise<WebsiteFiles> {
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
  return new Map(all.map(([name, contents]) => [name, new Uint8Array(contents)]));
}
