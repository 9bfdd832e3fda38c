import { defineConfig } from 'vitest/config';
import { PATIENCE_MILLISECONDS } from './test/support/patience.ts';

/** What runs networks, after all others. Two at a time: while one starts processes and waits, the other computes. */
const INFERENCE = ['test/parity/**/*.test.ts', 'test/integration/!(api-*).test.ts'];

export default defineConfig({
  test: {
    // A wait that runs out must come first: it can say what it waited for.
    testTimeout: 2 * PATIENCE_MILLISECONDS,
    hookTimeout: 2 * PATIENCE_MILLISECONDS,
    expect: { poll: { timeout: PATIENCE_MILLISECONDS } },
    env: { LOG_LEVEL: 'silent' },
    projects: [
      {
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: [...INFERENCE, 'test/browser/**', 'test/aws/**', 'test/infra/**'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'inference', include: INFERENCE, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
