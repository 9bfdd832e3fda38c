import { defineConfig } from 'vitest/config';
import { PATIENCE_MILLISECONDS } from './test/support/patience.ts';

/** The program that describes the infrastructure: `npm run test:infra`. It fetches SST's own programs, from npm. */
export default defineConfig({
  test: {
    include: ['test/infra/**/*.test.ts'],
    testTimeout: PATIENCE_MILLISECONDS,
    hookTimeout: PATIENCE_MILLISECONDS,
    globalSetup: 'test/infra/install-platform.ts',
    maxWorkers: 2,
  },
});
