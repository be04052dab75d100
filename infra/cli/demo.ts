import { readFile } from 'node:fs/promises';
import { RunInput } from '../../configs/schema/index.ts';
import { connect } from '../../workers/connect.ts';
import { requireKeys } from '../../workers/require-keys.ts';
import { injectCrashes } from '../demo/inject-crashes.ts';
import { runRetrainDemo } from '../demo/retrain-demo.ts';
import { stackServer } from '../client/find-server.ts';
import { followRun } from '../client/follow-run.ts';
import { watchServer } from '../client/watch-server.ts';
import { formatError } from '../terminal/format-error.ts';
import { printResult } from '../terminal/print-result.ts';
import { toStackOptions } from '../stack/stack-options.ts';
import { stackBucket } from '../stack/object-store.ts';
import { createHome } from '../stack/create-home.ts';
import { findRunningStack, type StackFile } from '../stack/stack-file.ts';
import { startStack } from '../stack/start-stack.ts';
import { startRun } from '../client/start-run.ts';
import { exitCodes, fail } from '../terminal/program.ts';
import { waitForInterrupt } from '../terminal/wait-for-interrupt.ts';
import { workflowPage } from '../terminal/workflow-page.ts';

interface DemoFlags {
  /** Kills three processes during training. */
  crash?: boolean | undefined;
  /** Stores the artifacts in a local S3 server. */
  s3?: boolean | undefined;
  /** Shows automatic retraining instead. */
  retrain?: boolean | undefined;
  home?: string | undefined;
}

/** Runs the pipeline on the miniature COCO, in the running stack of this folder or in one of its own. */
export async function demo(flags: DemoFlags): Promise<void> {
  const log = createTimedLog();
  // Always on the CPU, so that the demo prints the same numbers on every machine.
  const options = toStackOptions({ home: flags.home, device: 'cpu', s3: flags.s3 });
  await createHome(options.home);
  const running = await findRunningStack(options.home);
  // Before the start of the stack, so that a signal during it leaves no process behind.
  const interruption = new AbortController();
  const { signal } = interruption;
  const interrupted = waitForInterrupt().then(() => interruption.abort());
  const own = running === undefined ? await startStack({ ...options, log }) : undefined;
  const stack = own?.file() ?? running;
  // Each demo is a new run, such as `demo-20261122-181500`.
  const name = `demo-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}`;
  try {
    if (stack !== undefined && !signal.aborted)
      await Promise.race([runDemo(stack, flags, { home: options.home, name, log }), interrupted]);
    if (stack !== undefined && signal.aborted) {
      log('Interrupted: ending the demo');
      await terminateDemo(stack, name);
    }
  } catch (error) {
    fail(`The demo failed: ${formatError(error)}`);
  } finally {
    await own?.stop();
  }
  process.exit(signal.aborted ? exitCodes.interrupted : undefined);
}

/** Terminates the workflows of an interrupted demo: unlike real runs, they must not resume with the next stack. */
async function terminateDemo(stack: StackFile, name: string): Promise<void> {
  const { workflow } = await connect(stackServer(stack));
  for await (const { workflowId } of workflow.list({ query: `ExecutionStatus = 'Running'` }))
    if (workflowId.includes(name)) await workflow.getHandle(workflowId).terminate('the demo was interrupted');
}

interface DemoContext {
  home: string;
  /** Name of the run or model. */
  name: string;
  log: TimedLog;
}

async function runDemo(stack: StackFile, flags: DemoFlags, { home, name, log }: DemoContext): Promise<void> {
  if (flags.s3 && stack.processes['object-store'] === undefined) {
    throw new Error('The running stack has no S3 server. Stop it, or restart it with `everswin up --s3`.');
  }
  log(`Temporal UI  ${stack.uiUrl}`);
  log(`Pages        ${stack.pagesUrl}`);
  const server = stackServer(stack);
  const client = await connect(server);
  await requireKeys(client);
  const watch = watchServer(server, home);
  if (flags.retrain) {
    await runRetrainDemo({ client, home, model: name, log, watchServer: watch });
    console.log(`Wall time    ${log.elapsed()} after setup`);
    return client.connection.close();
  }
  const demo = RunInput.parse(
    JSON.parse(await readFile(`${import.meta.dirname}/../../configs/runs/demo.json`, 'utf8')),
  );
  const artifacts = flags.s3 ? { store: `s3://${stackBucket}/demo` } : demo.artifacts;
  const { handle } = await startRun(client, { ...demo, artifacts, name });
  log(`${handle.workflowId} started`);
  const result = followRun(handle, log, { watchServer: watch });
  const crashes = flags.crash ? injectCrashes(handle, home, log) : Promise.resolve();
  await Promise.race([crashes.then(() => result), result]);
  const report = await result;
  printResult(report, { runId: name, home, uiPage: workflowPage(server, handle.workflowId) });
  if (flags.crash && report.crashes < 3) {
    throw new Error(
      `Training ended after ${report.crashes} of 3 crashes: this machine trains the demo faster than it can be interrupted.`,
    );
  }
  console.log(`Wall time    ${log.elapsed()} after setup`);
  await client.connection.close();
}

type TimedLog = ((line: string) => void) & { elapsed: () => string };

/** Creates a log whose lines begin with the seconds since the start of the demo. */
function createTimedLog(): TimedLog {
  const startedAt = performance.now();
  const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  return Object.assign((line: string) => console.log(`[${elapsed().padStart(6)}] ${line}`), { elapsed });
}
