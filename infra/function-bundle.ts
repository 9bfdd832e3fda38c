import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { buildWebsite } from '../local/website-files.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const OUTPUT = join(ROOT, '.sst-bundles');
/** Beside the API's bundle, which reads it. */
const WEBSITE_DIRECTORY = 'web';

/** The services; the handler of each is `index.handler`. */
export type FunctionName = 'api' | 'arrive' | 'notify' | 'reap' | 'scale';

/** One file of ES for Node in Lambda. */
export const BUNDLE_OPTIONS = {
  bundle: true,
  minify: true,
  // Other letters are escaped: with one such letter the engine would read two bytes for every letter.
  charset: 'ascii',
  platform: 'node',
  target: 'node24',
  format: 'esm',
  mainFields: ['module', 'main'],
  // CommonJS dependencies may still ask for `require`.
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
    plugins: [leaveOut, nameKeys, nameZod],
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
 * `z` as an object holds all of Zod; as names of a module it holds the used ones. Nothing else changes: no schema is
 * made by the `.openapi()` that `@hono/zod-openapi` would put on all of them.
 */
const nameZod: Plugin = {
  name: 'name-zod',
  setup({ onLoad }) {
    onLoad({ filter: /\/(functions|shared)\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const contents = source.replace(
        /^import \{ ([\w, ]+) \} from '(zod|@hono\/zod-openapi)';$/gm,
        (statement, names: string, module: string) => {
          const others = names.split(', ').filter((name) => name !== 'z');
          if (others.length === names.split(', ').length) return statement;
          const rest = others.length > 0 ? `import { ${others.join(', ')} } from '${module}'; ` : '';
          return `${rest}import * as z from 'zod';`;
        },
      );
      return { contents: shareSchemas(contents), loader: 'ts' };
    });
    onLoad({ filter: /node_modules\/@hono\/zod-openapi\/dist\/index\.mjs$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const contents = source
        .replace('extendZodWithOpenApi(z);', '')
        .replace('import { z } from "zod";', '')
        .replace(/, z \};$/m, ' };');
      return { contents };
    });
  },
};

/** Schemas of a few words, which modules make again and again. */
const SMALL_SCHEMA =
  /\bz(?:\.iso)?\.(?:string|int|number|boolean|url|datetime)\(\)(?:\.(?:min|max)\(\d+\))*(?:\.optional\(\))?/g;

/** Each is made once in a module: no schema ever changes, an addition to one makes another. A tenth of a cold start. */
function shareSchemas(source: string): string {
  const names = new Map<string, string>();
  const body = source.replace(SMALL_SCHEMA, (schema) => {
    if (!names.has(schema)) names.set(schema, `schema${names.size}`);
    return names.get(schema)!;
  });
  // Imports are done first, wherever they stand.
  return `${[...names].map(([schema, name]) => `const ${name} = ${schema};`).join(' ')}\n${body}`;
}

/**
 * Zod's messages in 50 languages besides English; the ways to credentials that a Lambda function never goes: it has them
 * in its environment; the event streams of operations of S3 that nobody calls.
 */
const leaveOut: Plugin = {
  name: 'leave-out',
  setup({ onLoad }) {
    onLoad({ filter: /node_modules\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
    onLoad({ filter: /node_modules\/@smithy\/core\/dist-es\/submodules\/event-streams\/index\.js$/ }, () => ({
      contents: `
        export class EventStreamSerde {}
        export const eventStreamSerdeProvider = () => ({});
        export const resolveEventStreamSerdeConfig = (config) => config;`,
    }));
    onLoad({ filter: /node_modules\/@aws-sdk\/credential-provider-node\/dist-es\/index\.js$/ }, () => ({
      contents: "export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';",
    }));
  },
};
