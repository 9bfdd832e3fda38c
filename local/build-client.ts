import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

/**
 * `npm run build:client -- [DIR]`: the client as an npm package of its own, with its types. It is not the package of the
 * service, whose dependencies nobody wants who only calls it; and Node takes no TypeScript out of node_modules.
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url));

async function main(): Promise<void> {
  const directory = resolve(process.argv[2] ?? join(ROOT, 'dist/client'));
  await rm(directory, { recursive: true, force: true });
  const types = join(directory, 'types');
  await mkdir(types, { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'shared/client.ts')],
    outfile: join(directory, 'client.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
  });
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
    join(ROOT, 'tsconfig.client.json'),
    '--outDir',
    directory,
  ]);
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const declarations = await readFile(path, 'utf8');
    await writeFile(path, declarations.replaceAll(/(['"]\.\/[\w-]+)\.ts(['"])/g, '$1.js$2'));
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

await main();
