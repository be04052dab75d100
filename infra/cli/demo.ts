/**
 * `npm run demo [-- --crash] [-- --s3] [-- --retrain]`: runs the pipeline on the miniature COCO. `--crash` kills three
 * processes during training, `--s3` stores the artifacts in a local S3 server, `--retrain` shows automatic retraining.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { RunInput } from '../../configs/schema/index.ts';
import { connect } from '../client/connect.ts';
import { injectCrashes } from '../demo/inject-crashes.ts';
import { runRetrainDemo } from '../demo/retrain-demo.ts';
import { followRun } from '../client/follow-run.ts';
import { formatError } from '../terminal/format-error.ts';
import { printResult } from '../terminal/print-result.ts';
import { parseStackArguments } from '../stack/arguments.ts';
import { stackBucket } from '../stack/object-store.ts';
import { findRunningStack, type StackFile } from '../stack/stack-file.ts';
import { startStack } from '../stack/start-stack.ts';
import { startRun } from '../client/start-run.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';

const { values } = parseArgs({
  options: {
    crash: { type: 'boolean', default: false },
    s3: { type: 'boolean', default: false },
    retrain: { type: 'boolean', default: false },
    home: { type: 'string' },
  },
});
const startedAt = performance.now();
const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s`;
const log = (line: string) => console.log(`[${elapsed()}] ${line}`);

const { home } = parseStackArguments(values.home === undefined ? [] : ['--home', values.home]);
const running = await findRunningStack(home);
// Always on the CPU, so that the demo prints the same numbers on every machine.
const own =
  running === undefined ? await startStack({ home, device: 'cpu', withObjectStore: values.s3, log }) : undefined;

const interrupted = waitForInterrupt().then(() => {
  process.exitCode = 130;
});

async function main(stack: StackFile): Promise<void> {
  if (values.s3 && stack.processes['object-store'] === undefined) {
    throw new Error('The running stack has no S3 server. Stop it, or restart it with `npm run up -- --s3`.');
  }
  log(`Temporal UI  ${stack.uiUrl}`);
  log(`Pages        ${stack.pagesUrl}`);
  const client = await connect(stack.address);
  if (values.retrain) {
    await runRetrainDemo({ client, home, model: uniqueName('demo'), log });
    console.log(`Wall time    ${elapsed().trim()} after setup`);
    return client.connection.close();
  }
  const demo = RunInput.parse(
    JSON.parse(await readFile(`${import.meta.dirname}/../../configs/runs/demo.json`, 'utf8')),
  );
  const artifacts = values.s3 ? { store: `s3://${stackBucket}/demo` } : demo.artifacts;
  const runId = uniqueName(demo.name);
  const { handle } = await startRun(client, { ...demo, artifacts, name: runId });
  log(`${handle.workflowId} started`);
  // An interrupted demo must not resume with the next stack, unlike a real run.
  void interrupted.then(() => handle.terminate('the demo was interrupted').catch(() => undefined));
  const result = followRun(handle, log);
  const crashes = values.crash ? injectCrashes(handle, home, log) : Promise.resolve();
  await Promise.race([crashes.then(() => result), result]);
  const report = await result;
  printResult(report, { runId, workflowId: handle.workflowId, home, uiUrl: stack.uiUrl });
  if (values.crash && report.crashes < 3) {
    throw new Error(
      `Training ended after ${report.crashes} of 3 crashes: this machine trains the demo faster than it can be interrupted.`,
    );
  }
  console.log(`Wall time    ${elapsed().trim()} after setup`);
  await client.connection.close();
}

/** Each demo is a new run, such as `demo-20261122-181500`. */
const uniqueName = (name: string): string =>
  `${name}-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}`;

const stack = own?.file() ?? running;
try {
  if (stack !== undefined) await Promise.race([main(stack), interrupted]);
} catch (error) {
  console.error(`The demo failed: ${formatError(error)}`);
  process.exitCode = 1;
} finally {
  await own?.stop();
}
process.exit();
