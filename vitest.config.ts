import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two files at a time: the inference tests use every core by themselves.
    maxWorkers: 2,
    env: { LOG_LEVEL: 'silent' },
  },
});
