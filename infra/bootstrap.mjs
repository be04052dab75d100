// Entry point of every `npm run …`: installs what is missing, then runs the given program.
// Packages may be missing and Node may be old, so this file and node-version.mjs use only what Node 12 supports;
// everything else is loaded after the check.
import { checkNodeVersion } from './setup/node-version.mjs';

const problem = checkNodeVersion(process.versions.node);
if (problem) {
  console.error(problem);
  process.exitCode = 1;
} else {
  import('./setup/main.mjs').then(({ main }) => main(process.argv.slice(2)));
}
