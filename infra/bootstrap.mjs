// What every `npm run …` starts: installs what is missing, then runs the program it was given.
// No package is installed yet and Node may be old, so this file and node-version.mjs keep to what Node 12 understands;
// everything newer is loaded after the check.
import { explainOldNode } from './setup/node-version.mjs';

const problem = explainOldNode(process.versions.node);
if (problem) {
  console.error(problem);
  process.exitCode = 1;
} else {
  import('./setup/main.mjs').then(({ main }) => main(process.argv.slice(2)));
}
