/** `npm run up`: the embedded stack in the foreground until Ctrl-C. */
import { hookPath, hookTokenVariable, pagePaths } from '../../configs/names.ts';
import { runProgram } from '../terminal/program.ts';
import { parseStackArguments } from '../stack/arguments.ts';
import { stackBucket } from '../stack/object-store.ts';
import { findRunningStack } from '../stack/stack-file.ts';
import { startStack } from '../stack/start-stack.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';

async function main(): Promise<void> {
  const options = parseStackArguments(process.argv.slice(2));
  const { home, device } = options;
  const running = await findRunningStack(home);
  if (running !== undefined) {
    const { pid, address, uiUrl, pagesUrl, hookUrl } = running;
    const more = [`pages at ${pagesUrl}`, ...(hookUrl === null ? [] : [`hook at ${hookUrl}`])];
    return console.log([`Already up (pid ${pid}): Temporal at ${address}`, `UI at ${uiUrl}`, ...more].join(', '));
  }
  const stack = await startStack({ ...options, log: console.log });
  const { address, uiUrl, pagesUrl, hookUrl } = stack.file();
  const hook = hookUrl === null ? `none: it needs ${hookTokenVariable}` : `POST ${hookUrl}${hookPath('MODEL')}`;
  console.log(`Temporal server  ${address}
Temporal UI      ${uiUrl}
Pages            ${pagesUrl} of runs, ${pagesUrl}${pagePaths.models} of models
Hook             ${hook}
GPU worker       ${device}
Data and runs    ${home}${options.withObjectStore ? `\nArtifact store   s3://${stackBucket} (in a run's input: "artifacts": { "store": "s3://${stackBucket}" })` : ''}

Start a run from another terminal:
  npm run start -- configs/runs/demo.json
or with any Temporal CLI:
  temporal workflow start --address ${address} --type trainDetector --task-queue everswin \\
    --workflow-id train:demo --input-file configs/runs/demo.json

Ctrl-C stops everything; a run that was going on goes on at the next \`npm run up\`.`);
  await waitForInterrupt();
  console.log('Stopping; a trainer gets the time to end cleanly …');
  await stack.stop();
}

await runProgram(main);
