import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, matchesGlob, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** Allowed imports (ARCHITECTURE.md), as `npm run check` sees it: planted imports that it must refuse. */

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

/** Names between spaces, folders before packages. */
const words = (text: string) => text.trim().split(/\s+/);
const of = (folder: string, names: string) => words(names).map((name) => `${folder}/${name}`);

const BACKGROUND = of('functions', 'arrive notify reap scale');
const IMAGE_PARTS = of('gpu-worker/images', 'attach beside damage xmp');
const GPU_WORKER = of(
  'gpu-worker',
  `diffusion graphs images methods methods/planted methods/seesr model-store restore restore-files runtime schedulers tensor tiling tokenizer
  vae weights worker`,
);
const TRAINING = of('training', 'dape denoiser differentiation');
/** The parts of any method. */
const LIBRARY = of(
  'gpu-worker',
  'diffusion graphs images model-store restore runtime schedulers tensor tiling tokenizer vae weights',
).join(' ');
const FOLDERS = [
  ...words('shared shared/methods'),
  ...of('shared/adapters', 'aws local node'),
  ...of('functions', 'api web'),
  ...BACKGROUND,
  'gpu-worker',
  ...GPU_WORKER,
  ...IMAGE_PARTS,
  ...words('infra cli local evaluation'),
  ...of('evaluation', 'degradation metrics semantic study study/page'),
  'training',
  ...TRAINING,
  'test/support',
];
const CORE = 'shared shared/methods';
const NODE = 'node:fs node:fs/promises node:sqlite node:crypto node:timers/promises';
const AWS = '@aws-sdk/client-dynamodb @aws-sdk/client-ecs';
const ALL_AWS = `${AWS} @aws-sdk/client-s3 @aws-sdk/client-sqs @aws-sdk/lib-storage @aws-sdk/s3-presigned-post
  @aws-sdk/s3-request-presigner @aws-sdk/util-dynamodb`;

const each = (files: readonly string[], may: (file: string) => string) =>
  Object.fromEntries(files.map((file) => [file, may(file)]));

/** Of each file that stands for a row: the folders of which it may import any file, and the packages. */
const MAY: Record<string, string> = {
  'shared/methods/planted.ts': 'shared/methods zod',
  'shared/planted.ts': `${CORE} zod`,
  'shared/adapters/aws/planted.ts': `shared/adapters/aws ${CORE} zod node:crypto node:timers/promises ${ALL_AWS}`,
  'shared/adapters/local/planted.ts': `shared/adapters/local ${CORE} zod ${NODE}`,
  'shared/adapters/node/planted.ts': `shared/adapters/node ${CORE} ipaddr.js ${NODE}`,
  'functions/api/planted.ts': `functions/api ${CORE} zod hono @hono/zod-openapi @asteasolutions/zod-to-openapi`,
  ...each(
    BACKGROUND.map((folder) => `${folder}/planted.ts`),
    (file) => `${dirname(file)} ${CORE} zod`,
  ),
  ...each(
    ['functions/api', ...BACKGROUND].map((folder) => `${folder}/main.ts`),
    (file) => `${dirname(file)} ${CORE} shared/adapters/aws shared/adapters/node zod node:fs/promises ${AWS}`,
  ),
  'functions/web/planted.tsx': 'functions/web shared preact client-zip idb-keyval',
  'gpu-worker/main.ts': `gpu-worker gpu-worker/images gpu-worker/model-store gpu-worker/worker ${CORE} shared/adapters/aws
    shared/adapters/node zod ${NODE}`,
  ...each(
    of('gpu-worker', 'child.ts models-cli.ts'),
    () => `gpu-worker gpu-worker/images gpu-worker/methods gpu-worker/model-store gpu-worker/restore gpu-worker/runtime
      gpu-worker/weights ${CORE} cli-progress zod ${NODE}`,
  ),
  'gpu-worker/planted.ts': `gpu-worker gpu-worker/restore-files ${CORE} zod ${NODE}`,
  'gpu-worker/worker/planted.ts': `gpu-worker gpu-worker/worker ${CORE} zod ${NODE}`,
  'gpu-worker/restore-files/planted.ts': `gpu-worker/restore-files ${CORE} cli-progress zod ${NODE}`,
  'gpu-worker/restore/planted.ts': `gpu-worker/restore gpu-worker/images gpu-worker/schedulers gpu-worker/tensor ${CORE} zod
    ${NODE}`,
  'gpu-worker/tiling/planted.ts': `gpu-worker/tiling gpu-worker/images gpu-worker/tensor ${CORE} ${NODE}`,
  'gpu-worker/vae/planted.ts': `gpu-worker/vae gpu-worker/graphs gpu-worker/runtime gpu-worker/tensor ${NODE}`,
  'gpu-worker/diffusion/planted.ts': `gpu-worker/diffusion gpu-worker/images gpu-worker/runtime gpu-worker/schedulers
    gpu-worker/tensor gpu-worker/tiling gpu-worker/tokenizer gpu-worker/vae ${CORE} ${NODE}`,
  'gpu-worker/methods/planted.ts': `gpu-worker/methods ${LIBRARY} ${CORE} zod ${NODE}`,
  'gpu-worker/methods/engines.ts': `gpu-worker/methods ${CORE}`,
  'gpu-worker/methods/planted/planted.ts': `gpu-worker/methods gpu-worker/methods/planted ${LIBRARY} ${CORE} zod ${NODE}`,
  'gpu-worker/model-store/planted.ts': `gpu-worker/model-store gpu-worker/graphs gpu-worker/runtime gpu-worker/tensor
    gpu-worker/weights ${CORE} zod ${NODE}`,
  'gpu-worker/runtime/planted.ts': `gpu-worker/runtime gpu-worker/graphs gpu-worker/tensor ${CORE}
    onnxruntime-node onnx-buf @bufbuild/protobuf ${NODE}`,
  'gpu-worker/graphs/planted.ts': 'gpu-worker/graphs gpu-worker/tensor onnx-buf @bufbuild/protobuf',
  'gpu-worker/weights/planted.ts': `gpu-worker/weights gpu-worker/tensor zod ${NODE}`,
  'gpu-worker/schedulers/planted.ts': `gpu-worker/schedulers gpu-worker/tensor ${CORE}`,
  'gpu-worker/tokenizer/planted.ts': `gpu-worker/tokenizer gpu-worker/tensor ${CORE} entities node:fs/promises`,
  'gpu-worker/images/planted.ts': `gpu-worker/images ${IMAGE_PARTS.join(' ')} gpu-worker/tensor ${CORE} sharp ${NODE}`,
  ...each(
    IMAGE_PARTS.map((folder) => `${folder}/planted.ts`),
    (file) => `${dirname(file)} gpu-worker/images gpu-worker/images/beside gpu-worker/images/xmp ${CORE}
      @xmldom/xmldom ${NODE}`,
  ),
  'gpu-worker/tensor/planted.ts': 'gpu-worker/tensor',
  'infra/planted.ts': `infra ${CORE} zod`,
  'infra/function-bundle.ts': `esbuild ${NODE}`,
  'cli/planted.ts': 'cli local node:fs node:sqlite node:crypto',
  'local/planted.ts': `local ${CORE} shared/adapters/aws shared/adapters/local shared/adapters/node
    functions/api functions/notify functions/reap gpu-worker gpu-worker/images gpu-worker/model-store gpu-worker/worker
    @hono/node-server hono cli-progress esbuild sharp zod ${ALL_AWS} ${NODE}`,
  'evaluation/planted.ts': `evaluation evaluation/metrics gpu-worker/images gpu-worker/model-store gpu-worker/runtime ${CORE}
    sharp zod ${NODE}`,
  'evaluation/metrics/planted.ts': `evaluation/metrics gpu-worker/images gpu-worker/graphs gpu-worker/runtime
    gpu-worker/tensor gpu-worker/weights ${CORE} ${NODE}`,
  'evaluation/degradation/planted.ts': `evaluation/degradation evaluation evaluation/metrics gpu-worker/images ${CORE}
    ${NODE}`,
  'evaluation/semantic/planted.ts': `evaluation/semantic evaluation gpu-worker/images gpu-worker/runtime
    gpu-worker/tensor ${CORE} zod ${NODE}`,
  'evaluation/study/planted.ts': `evaluation/study ${CORE} @hono/node-server hono esbuild sharp zod ${NODE}`,
  ...each(
    of('training', 'planted.ts dape/planted.ts denoiser/planted.ts'),
    (
      path,
    ) => `${path === 'training/planted.ts' ? 'sharp' : ''} training ${TRAINING.join(' ')} evaluation/degradation gpu-worker/diffusion gpu-worker/graphs gpu-worker/images
      gpu-worker/methods/seesr gpu-worker/runtime gpu-worker/schedulers gpu-worker/tensor gpu-worker/tokenizer
      gpu-worker/vae gpu-worker/weights ${CORE} onnx-buf @bufbuild/protobuf zod ${NODE}`,
  ),
  'training/differentiation/planted.ts': `training/differentiation gpu-worker/graphs gpu-worker/tensor shared onnx-buf
    @bufbuild/protobuf`,
  'evaluation/study/page/planted.tsx': 'evaluation/study/page preact',
};

let directory: string;
let destinations: string[];
/** Importer → its imports, and whether each is refused. */
const planted = new Map<string, { imported: string; statement: string; isRefused: boolean }[]>();
const overrides: { includes: string[]; linter: { rules: { style?: { noRestrictedImports?: object } } } }[] = [];

/** As a file of `folder` names it. */
function specifier(importer: string, destination: string, file = 'other.ts'): string {
  if (!FOLDERS.includes(destination)) return destination;
  const path = relative(dirname(importer), join(destination, file));
  return path.startsWith('.') ? path : `./${path}`;
}

/** Lines of the diagnostics, by file. */
async function lint(rule: string): Promise<Map<string, Set<number>>> {
  const biome = join(ROOT, 'node_modules/.bin/biome');
  const parameters = ['lint', `--only=${rule}`, '--reporter=github', '--max-diagnostics=none', directory];
  const ended = await run(biome, parameters, { cwd: directory, maxBuffer: 2 ** 26 }).catch((error) => error);
  const lines = new Map<string, Set<number>>();
  for (const [, file = '', line] of `${ended.stdout}`.matchAll(/file=([^,]+),line=(\d+)/g)) {
    const path = relative(directory, file);
    lines.set(path, (lines.get(path) ?? new Set()).add(Number(line)));
  }
  return lines;
}

async function write(path: string, statements: readonly string[]): Promise<void> {
  await mkdir(join(directory, dirname(path)), { recursive: true });
  await writeFile(join(directory, path), statements.join('\n'));
}

/** An import of every destination, ways around a fence, and every kind of import of files that nobody may import. */
function statementsFor(importer: string, may: string): { imported: string; statement: string }[] {
  const forbidden = destinations.filter((destination) => !words(may).includes(destination));
  const mains = importer.endsWith('main.ts') ? [] : ['functions/api', 'functions/notify', 'gpu-worker'];
  const never = specifier(importer, 'test/support');
  return [
    ...[
      ...destinations.map((destination) => specifier(importer, destination)),
      ...forbidden.map((destination) => specifier(importer, destination).replace(/^\.\./, './..')),
      ...mains.map((folder) => specifier(importer, folder, 'main.ts')),
    ].map((imported) => ({ imported, statement: `import '${imported}';` })),
    ...[
      `import type { Other } from '${never}';`,
      `import { type Other as Another } from '${never}';`,
      `import * as others from '${never}';`,
      `export * from '${never}';`,
      `export type { Other } from '${never}';`,
      `await import('${never}');`,
    ].map((statement) => ({ imported: never, statement })),
  ];
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'import-fences-'));
  const { vcs, ...config } = JSON.parse(await readFile(join(ROOT, 'biome.json'), 'utf8'));
  overrides.push(...config.overrides);
  await writeFile(join(directory, 'biome.json'), JSON.stringify(config));
  const { dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  destinations = [...FOLDERS, ...Object.keys(dependencies), ...words(NODE), 'onnxruntime-web', 'sst'];
  for (const [importer, may] of Object.entries(MAY)) {
    const statements = statementsFor(importer, may).map((statement) => ({ ...statement, isRefused: false }));
    planted.set(importer, statements);
    await write(
      importer,
      statements.map(({ statement }) => statement),
    );
  }
  const refused = await lint('style/noRestrictedImports');
  for (const [importer, statements] of planted) {
    for (const [index, statement] of statements.entries()) {
      statement.isRefused = refused.get(importer)?.has(index + 1) ?? false;
    }
  }
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each(Object.entries(MAY))('%s', (importer, may) => {
  test('is refused everything that its row does not name', () => {
    const allowed = new Set(words(may).map((destination) => specifier(importer, destination)));
    const passed = planted.get(importer)!.filter(({ isRefused }) => !isRefused);
    expect(passed.map(({ imported }) => imported).toSorted()).toEqual([...allowed].toSorted());
  });
});

test('every source file has exactly one row', async () => {
  const rows = overrides.filter(({ linter }) => linter.rules.style?.noRestrictedImports);
  const isIn = (path: string, includes: readonly string[]) =>
    includes.reduce(
      (is, glob) => (glob.startsWith('!') ? is && !matchesGlob(path, glob.slice(1)) : matchesGlob(path, glob) || is),
      false,
    );
  const { stdout } = await run('git', ['ls-files', '--', '*.ts', '*.tsx', '*.mjs', ':!test', ':!*.config.ts'], {
    cwd: ROOT,
  });
  const counts = stdout
    .trim()
    .split('\n')
    .map((path) => [path, rows.filter(({ includes }) => isIn(path, includes)).length]);
  expect(counts.length).toBeGreaterThan(500);
  expect(counts.filter(([, count]) => count !== 1)).toEqual([]);
  const idle = rows.filter(({ includes }) => !Object.keys(MAY).some((path) => isIn(path, includes)));
  expect(idle).toEqual([]);
});

test('a circle is refused, of types as well', async () => {
  await write('shared/egg.ts', ["import type { Hen } from './hen.ts';", 'export type Egg = Hen[];']);
  await write('shared/hen.ts', ["import type { Egg } from './egg.ts';", 'export type Hen = Egg[];']);
  const refused = await lint('suspicious/noImportCycles');
  expect([...refused.keys()]).toEqual(expect.arrayContaining(['shared/egg.ts', 'shared/hen.ts']));
});
