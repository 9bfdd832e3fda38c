import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { runCommand, usageError } from '../shared/adapters/node/command.ts';
import { CLIENT_OPTIONS } from './website-files.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

async function buildClient([folder = join(ROOT, 'dist/client'), ...rest]: string[]): Promise<void> {
  if (rest.length > 0) throw usageError('name one folder');
  const directory = resolve(folder);
  await rm(directory, { recursive: true, force: true });
  const types = join(directory, 'types');
  await mkdir(types, { recursive: true });
  await build({ ...CLIENT_OPTIONS, outdir: directory });
  await emitTypes(types);
  await writeManifest(directory);
  for (const file of ['LICENSE', 'NOTICE']) await copyFile(join(ROOT, file), join(directory, file));
  await copyFile(join(ROOT, 'docs/clients.md'), join(directory, 'README.md'));
  process.stdout.write(`${directory}: npm pack ${directory}, or npm install ${directory}\n`);
}

/** Declarations name their neighbors as the sources do; older compilers know no `.ts` there. */
async function emitTypes(directory: string): Promise<void> {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [
    compiler,
    '-p',
    join(ROOT, 'shared/tsconfig.client.json'),
    '--outDir',
    directory,
  ]);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    const declarations = await readFile(path, 'utf8');
    await writeFile(path, declarations.replaceAll(/(['"]\.{1,2}\/[\w/-]+)\.ts(['"])/g, '$1.js$2'));
  }
}

/** Schemas are in the types alone, so zod is a dependency of these. */
async function writeManifest(directory: string): Promise<void> {
  const { name, version, license, dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const manifest = {
    name,
    version,
    description: 'Client of SeeSR Cloud, for browsers and Node',
    license,
    type: 'module',
    sideEffects: false,
    exports: { './client': { types: './types/client.d.ts', default: './client.js' } },
    dependencies: { zod: dependencies.zod },
  };
  await writeFile(join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * A package of its own: a program that only calls the service needs none of its dependencies, and Node takes no TypeScript
 * out of node_modules.
 */
runCommand({
  name: 'build-client',
  usage: ['[FOLDER]'],
  about: 'Builds the client as an npm package with its types in FOLDER (default dist/client).',
  takesWords: true,
  run: (_, words) => buildClient(words),
});
