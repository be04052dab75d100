import { hookPath, hookTokenVariable, pagePaths, taskQueues, workflowId, workflowTypes } from '../../configs/names.ts';
import { toStackOptions, type StackFlags } from '../stack/stack-options.ts';
import { stackBucket } from '../stack/object-store.ts';
import { createHome } from '../stack/create-home.ts';
import { findRunningStack } from '../stack/stack-file.ts';
import { startStack } from '../stack/start-stack.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';

/** Runs the stack of this folder in the foreground until Ctrl-C. */
export async function up(flags: StackFlags): Promise<void> {
  const options = toStackOptions(flags);
  const { home, device } = options;
  await createHome(home);
  const running = await findRunningStack(home);
  if (running !== undefined) {
    const { pid, address, uiUrl, pagesUrl, hookUrl } = running;
    const servers = [`pages at ${pagesUrl}`, ...(hookUrl === null ? [] : [`hook at ${hookUrl}`])];
    return console.log(
      [`The stack is already running (pid ${pid}): Temporal at ${address}`, `UI at ${uiUrl}`, ...servers].join(', '),
    );
  }
  // Before the start, so that a signal during it leaves no process behind.
  const interrupted = waitForInterrupt();
  const stack = await startStack({ ...options, log: console.log });
  const { address, uiUrl, pagesUrl, hookUrl } = stack.file();
  const hook = hookUrl === null ? `off (set ${hookTokenVariable} to enable it)` : `POST ${hookUrl}${hookPath('MODEL')}`;
  const metrics =
    stack.metrics === undefined
      ? 'off (add --metrics to enable them)'
      : Object.values(stack.metrics)
          .map((at) => `http://${at}/metrics`)
          .join(', ');
  console.log(`Temporal server  ${address}
Temporal UI      ${uiUrl}
Pages            ${pagesUrl} (runs), ${pagesUrl}${pagePaths.models} (models)
Hook             ${hook}
GPU worker       ${device}
Metrics          ${metrics}
Data and runs    ${home}${options.withObjectStore ? `\nArtifact store   s3://${stackBucket} (in the input of a run: "artifacts": { "store": "s3://${stackBucket}" })` : ''}

Start a run in another terminal:
  everswin start configs/runs/demo.json
or with the Temporal CLI:
  temporal workflow start --address ${address} --type ${workflowTypes.trainDetector} --task-queue ${taskQueues.control} \\
    --workflow-id ${workflowId('demo')} --input-file configs/runs/demo.json

Ctrl-C stops everything. The next \`everswin up\` resumes unfinished runs.`);
  await interrupted;
  console.log('Stopping. Trainers save a checkpoint first …');
  await stack.stop();
}
