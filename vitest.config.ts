import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/helpers/longest-first.ts';

if (!process.features.typescript)
  throw new Error(
    `Tests start TypeScript programs, which Node ${process.versions.node} cannot run. Next: run \`npm test\`, or put Node 24 first on PATH: export PATH="$PWD/.everswin/tools/node/node_modules/.bin:$PATH"`,
  );

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real processes and native workers. The tests mostly wait, so there are more forks than cores.
    pool: 'forks',
    poolOptions: { forks: { minForks: 1, maxForks: 3 } },
    sequence: { sequencer: LongestFirst },
    env: { NODE_OPTIONS: `--import ${new URL('test/fixtures/keep-priority.mjs', import.meta.url).href}` },
    globalSetup: ['test/helpers/temporal-server.ts'],
    // Catches a hang; an overloaded machine stays below it.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
