import { defineConfig } from 'vitest/config';
import { PATIENCE_MILLISECONDS } from './test/support/patience.ts';

/** What needs a browser: `npm run test:browser`. One at a time, as each runs a whole service beside it. */
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    testTimeout: 2 * PATIENCE_MILLISECONDS,
    hookTimeout: 2 * PATIENCE_MILLISECONDS,
    env: { LOG_LEVEL: 'silent' },
    maxWorkers: 1,
  },
});
