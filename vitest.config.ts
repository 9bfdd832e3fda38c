import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { PATIENCE_MILLISECONDS } from './test/support/patience.ts';

/** What each method computes and learns: the recorded sets, whole, and what becomes of photos. `npm run test:methods`. */
const METHODS = [
  'test/parity/**/*.test.ts',
  'test/integration/gpu-worker/{methods,restore}/**/*.test.ts',
  'test/integration/gpu-worker/worker/resume.test.ts',
  'test/integration/evaluation/{all-methods,table2}.test.ts',
  'test/integration/training/*.test.ts',
];

/** What runs networks, or waits for long. Two at a time: while one starts processes and waits, the other computes. */
const INFERENCE = [
  'test/integration/*.test.ts',
  'test/integration/!(functions)/**/*.test.ts',
  'test/integration/functions/notify/*.test.ts',
];

/** Servers that speak AWS. Vitest fetches and starts them once for a project. */
const AWS_SERVERS = ['aws-servers', 'dynamodb-local', 'lambda-emulator'].map((name) => `test/support/${name}.ts`);

/** Suites that need programs of others: `npm run test:NAME`. The tests fetch most of these programs. */
const OTHER_SUITES = {
  aws: { hookTimeout: 4 * PATIENCE_MILLISECONDS, globalSetup: AWS_SERVERS },
  box: {},
  browser: {},
  clients: { testTimeout: 4 * PATIENCE_MILLISECONDS, hookTimeout: 4 * PATIENCE_MILLISECONDS },
  webgpu: { env: { PARITY_DEVICE: 'webgpu' }, globalSetup: ['test/support/software-vulkan.ts'] },
  infra: { env: { LOG_LEVEL: '' }, globalSetup: ['test/infra/install-platform.ts', ...AWS_SERVERS] },
};

/** Of compiled modules (`NODE_COMPILE_CACHE` of Node): a process of the product loads hundreds, and tests start many processes. */
const COMPILED = fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url));

/**
 * `npm test` runs the first two, one after the other by their names (Vitest sorts so), the largest files first: the many short
 * ones at the end leave no core idle. No others run at the same time.
 */
export default defineConfig({
  test: {
    // A wait that runs out must come first: it can say what it waited for.
    testTimeout: 2 * PATIENCE_MILLISECONDS,
    hookTimeout: 2 * PATIENCE_MILLISECONDS,
    expect: { poll: { timeout: PATIENCE_MILLISECONDS } },
    // "expected [ Array(1) ]" would not say which.
    chaiConfig: { truncateThreshold: 2_000 },
    env: { LOG_LEVEL: 'silent', NODE_COMPILE_CACHE: COMPILED },
    projects: [
      project(0, 'quick', {
        include: ['test/**/*.test.ts'],
        exclude: [...INFERENCE, ...METHODS, ...Object.keys(OTHER_SUITES).map((suite) => `test/${suite}/**`)],
      }),
      project(0, 'inference', { include: INFERENCE, exclude: METHODS }),
      project(1, 'methods', { include: METHODS }),
      ...Object.entries(OTHER_SUITES).map(([suite, options], index) =>
        project(2 + index, suite, { include: [`test/${suite}/**/*.test.ts`], ...options }),
      ),
    ],
  },
});

function project(groupOrder: number, name: string, options: object): TestProjectConfiguration {
  return { extends: true, test: { name, maxWorkers: 2, sequence: { groupOrder }, ...options } };
}
