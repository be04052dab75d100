import { defineConfig } from 'vitest/config';

if (!process.features.typescript)
  throw new Error(
    `Tests start TypeScript programs, which Node ${process.versions.node} cannot run. Next: run \`npm test\`, or put Node 24 first on PATH: export PATH="$PWD/.everswin/tools/node/node_modules/.bin:$PATH"`,
  );

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
