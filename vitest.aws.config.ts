import { defineConfig } from 'vitest/config';
import { PATIENCE_MILLISECONDS } from './test/support/patience.ts';

/** What needs servers that speak AWS: `npm run test:aws`. They are fetched and started by the tests themselves. */
export default defineConfig({
  test: {
    include: ['test/aws/**/*.test.ts'],
    testTimeout: 2 * PATIENCE_MILLISECONDS,
    hookTimeout: 4 * PATIENCE_MILLISECONDS,
    globalSetup: ['test/support/aws-servers.ts', 'test/support/dynamodb-local.ts'],
    expect: { poll: { timeout: PATIENCE_MILLISECONDS } },
    env: { LOG_LEVEL: 'silent' },
    maxWorkers: 2,
  },
});
