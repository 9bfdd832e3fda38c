import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { buildWebsite } from '../local/website-files.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const OUTPUT = join(ROOT, '.sst-bundles');
/** Beside the API's bundle, which reads it. */
const WEBSITE_DIRECTORY = 'web';

/** What the services are; the handler of each is `index.handler`. */
export type FunctionName = 'api' | 'notify' | 'reap' | 'scale';

/** One file of ES for Node in Lambda. */
export const BUNDLE_OPTIONS = {
  bundle: true,
  minify: true,
  // What is beyond is escaped: with one such letter the engine would read two bytes for every letter.
  charset: 'ascii',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  mainFields: ['module', 'main'],
  // What is CommonJS among the dependencies may still ask for `require`.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
} as const satisfies BuildOptions;

/**
 * Bundles `functions/NAME/main.ts` into a directory, which it returns, as one file. SST could do so itself; this leaves
 * out a third, which every cold start would load: see `leaveOut`.
 */
export async function bundleFunction(name: FunctionName, outputDirectory = OUTPUT): Promise<string> {
  const directory = join(outputDirectory, name);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await build({
    entryPoints: [join(ROOT, 'functions', name, 'main.ts')],
    outfile: join(directory, 'index.mjs'),
    ...BUNDLE_OPTIONS,
    plugins: [leaveOut, nameKeys],
    logLevel: 'warning',
  });
  if (name === 'api') await writeWebsite(join(directory, WEBSITE_DIRECTORY));
  return directory;
}

async function writeWebsite(directory: string): Promise<void> {
  await mkdir(directory);
  for (const [name, content] of await buildWebsite()) await writeFile(join(directory, name), content);
}

/**
 * The SDK's descriptions of operations name their keys by constants, which hides from the bundler that they have no
 * effect: those of operations that nobody calls would stay.
 */
const nameKeys: Plugin = {
  name: 'name-keys',
  setup({ onLoad }) {
    onLoad({ filter: /node_modules\/@aws-sdk\/client-[\w-]+\/dist-es\/schemas\/schemas_0\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const constants = new Map(
        [...source.matchAll(/^const (_\w+) = ("[^"]*");$/gm)].map(([, name, text]) => [name, text]),
      );
      return {
        contents: source.replace(/\[(_\w+)\]:/g, (key, name) =>
          constants.has(name) ? `${constants.get(name)}:` : key,
        ),
      };
    });
  },
};

/**
 * Zod's messages in 50 languages besides English, and the ways to credentials that a Lambda function never goes: it
 * has them in its environment.
 */
const leaveOut: Plugin = {
  name: 'leave-out',
  setup({ onLoad }) {
    onLoad({ filter: /node_modules\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
    onLoad({ filter: /node_modules\/@aws-sdk\/credential-provider-node\/dist-es\/index\.js$/ }, () => ({
      contents: "export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';",
    }));
  },
};
