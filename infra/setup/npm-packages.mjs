import path from 'node:path';
import { formatFacts, sha256OfFile } from './stamp.mjs';

/** Arguments of npm. npm runs under its own Node: that of a Linux distribution works under no other one. */
export const npmCi = [
  // Includes development packages even if NODE_ENV is production: the demo and the tests need them.
  ...['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--no-engine-strict'],
  // Without a network, npm's default retries of 10 and 60 seconds would delay the error by minutes.
  ...['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'],
];

/** Step that installs package-lock.json. Its stamp is inside node_modules, so both are deleted together. */
export function npmPackages(root) {
  return {
    name: 'the npm packages',
    title: 'the npm packages (Temporal SDK, TypeScript tools; 0.2 GB to download)',
    stampFile: path.join(root, 'node_modules/.everswin-stamp'),
    facts: () =>
      formatFacts({
        'package-lock.json': sha256OfFile(path.join(root, 'package-lock.json')),
        platform: `${process.platform}-${process.arch}`,
      }),
    neededBytes: () => 0.5e9,
    install: (run) => run('npm', npmCi),
  };
}
