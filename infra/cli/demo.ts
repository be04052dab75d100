import { readFile } from 'node:fs/promises';
import { namespace } from '../../configs/names.ts';
import { RunInput } from '../../configs/schema/index.ts';
import { connect } from '../client/connect.ts';
import { injectCrashes } from '../demo/inject-crashes.ts';
import { runRetrainDemo } from '../demo/retrain-demo.ts';
import type { FoundServer } from '../client/find-server.ts';
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
  const interrupted = waitForInterrupt().then(() => {
    process.exitCode = exitCodes.interrupted;
  });
  const own = running === undefined ? await startStack({ ...options, log }) : undefined;
  const stack = own?.file() ?? running;
  try {
    if (stack !== undefined)
      await Promise.race([runDemo(stack, flags, options.home, { log, interrupted }), interrupted]);
  } catch (error) {
    fail(`The demo failed: ${formatError(error)}`);
  } finally {
    await own?.stop();
  }
  process.exit();
}

interface DemoContext {
  log: TimedLog;
  interrupted: Promise<void>;
}

async function runDemo(stack: StackFile, flags: DemoFlags, home: string, context: DemoContext): Promise<void> {
  const { log, interrupted } = context;
  if (flags.s3 && stack.processes['object-store'] === undefined) {
    throw new Error('The running stack has no S3 server. Stop it, or restart it with `everswin up --s3`.');
  }
  log(`Temporal UI  ${stack.uiUrl}`);
  log(`Pages        ${stack.pagesUrl}`);
  const client = await connect(stack.address);
  const server: FoundServer = { address: stack.address, namespace, source: 'stack', stack };
  const watch = watchServer(server, home);
  if (flags.retrain) {
    await runRetrainDemo({ client, home, model: uniqueName('demo'), log, watchServer: watch });
    console.log(`Wall time    ${log.elapsed()} after setup`);
    return client.connection.close();
  }
  const demo = RunInput.parse(
    JSON.parse(await readFile(`${import.meta.dirname}/../../configs/runs/demo.json`, 'utf8')),
  );
  const artifacts = flags.s3 ? { store: `s3://${stackBucket}/demo` } : demo.artifacts;
  const runId = uniqueName(demo.name);
  const { handle } = await startRun(client, { ...demo, artifacts, name: runId });
  log(`${handle.workflowId} started`);
  // An interrupted demo must not resume with the next stack, unlike a real run.
  void interrupted.then(() => handle.terminate('the demo was interrupted').catch(() => undefined));
  const result = followRun(handle, log, { watchServer: watch });
  const crashes = flags.crash ? injectCrashes(handle, home, log) : Promise.resolve();
  await Promise.race([crashes.then(() => result), result]);
  const report = await result;
  printResult(report, { runId, home, uiPage: workflowPage(stack, handle.workflowId) });
  if (flags.crash && report.crashes < 3) {
    throw new Error(
      `Training ended after ${report.crashes} of 3 crashes: this machine trains the demo faster than it can be interrupted.`,
    );
  }
  console.log(`Wall time    ${log.elapsed()} after setup`);
  await client.connection.close();
}

/** Each demo is a new run, such as `demo-20261122-181500`. */
const uniqueName = (name: string): string =>
  `${name}-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}`;

type TimedLog = ((line: string) => void) & { elapsed: () => string };

/** Creates a log whose lines begin with the seconds since the start of the demo. */
function createTimedLog(): TimedLog {
  const startedAt = performance.now();
  const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
  return Object.assign((line: string) => console.log(`[${elapsed().padStart(6)}] ${line}`), { elapsed });
}
