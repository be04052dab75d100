import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real processes, native workers and one Temporal server with fixed queue names: one file at a time.
    pool: 'forks',
    fileParallelism: false,
    setupFiles: ['test/helpers/quiet-runtime.ts'],
    globalSetup: ['test/helpers/temporal-server.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
