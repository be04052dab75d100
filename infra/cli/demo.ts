/**
 * `npm run demo [-- --crash] [-- --s3] [-- --retrain]`: the whole line on the miniature COCO, with --crash through three
 * kills -9, with --s3 into an S3 server of its own; with --retrain the loop of data that change, gate and promotion.
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
const say = (line: string) => console.log(`[${elapsed()}] ${line}`);

const { home } = parseStackArguments(values.home === undefined ? [] : ['--home', values.home]);
const running = await findRunningStack(home);
// The miniature is meant for a CPU, whatever the machine has: everyone sees the same numbers.
const own =
  running === undefined ? await startStack({ home, device: 'cpu', withObjectStore: values.s3, log: say }) : undefined;

const interrupted = waitForInterrupt().then(() => {
  process.exitCode = 130;
});

async function main(stack: StackFile): Promise<void> {
  if (values.s3 && stack.processes['object-store'] === undefined) {
    throw new Error('the stack that is up has no S3 server. Stop it, or start it with `npm run up -- --s3`');
  }
  say(`Temporal UI  ${stack.uiUrl}`);
  say(`Pages        ${stack.pagesUrl}`);
  const client = await connect(stack.address);
  if (values.retrain) {
    await runRetrainDemo({ client, home, model: freshName('demo'), say });
    console.log(`Wall time    ${elapsed().trim()} after set-up`);
    return client.connection.close();
  }
  const demo = RunInput.parse(
    JSON.parse(await readFile(`${import.meta.dirname}/../../configs/runs/demo.json`, 'utf8')),
  );
  const artifacts = values.s3 ? { store: `s3://${stackBucket}/demo` } : demo.artifacts;
  const runId = freshName(demo.name);
  const { handle } = await startRun(client, { ...demo, artifacts, name: runId });
  say(`${handle.workflowId} started`);
  // A demo that nobody watches any more should not go on by itself at the next one, as a real run does.
  void interrupted.then(() => handle.terminate('the demo was interrupted').catch(() => undefined));
  const result = followRun(handle, say);
  const crashed = values.crash ? injectCrashes(handle, home, say) : Promise.resolve();
  await Promise.race([crashed.then(() => result), result]);
  const report = await result;
  printResult(report, { runId, workflowId: handle.workflowId, home, uiUrl: stack.uiUrl });
  if (values.crash && report.crashes < 3) {
    throw new Error(
      `training ended after ${report.crashes} of 3 crashes: this machine is too fast for the demo's size`,
    );
  }
  console.log(`Wall time    ${elapsed().trim()} after set-up`);
  await client.connection.close();
}

/** A demo is a run of its own each time: `demo-20261122-181500`. */
const freshName = (name: string): string =>
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
