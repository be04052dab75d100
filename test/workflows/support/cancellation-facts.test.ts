/** Verifies cancellation on the pinned SDK and server. The findings are in docs/explanation/decisions/0001-cancellation.md. */
import '../../helpers/quiet-runtime.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type * as workflows from '../../fixtures/cancellation-workflows.ts';
import type { Rethrow } from '../../fixtures/cancellation-workflows.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';

const taskQueue = 'cancellation-facts';
let finishedCleaningAt = 0;
const endings: string[] = [];

/** Sends heartbeats fast, so that a cancellation arrives fast. */
async function withHeartbeat<T>(work: () => Promise<T>): Promise<T> {
  const { heartbeat } = Context.current();
  const timer = setInterval(() => heartbeat(), 100);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

const activities = {
  cleanUpSlowly: () =>
    withHeartbeat(async () => {
      await Context.current().cancelled.catch(() => sleep(2_000));
      finishedCleaningAt = Date.now();
    }),
  runChild: (rethrow: Rethrow) =>
    withHeartbeat(async () => {
      const { cancellationSignal } = Context.current();
      try {
        await execa('sleep', ['60'], { cancelSignal: cancellationSignal });
      } catch (error) {
        const details = Context.current().cancellationDetails;
        endings.push(details?.paused ? 'paused' : details?.cancelRequested ? 'cancelRequested' : 'other');
        if (rethrow === 'AbortError') throw new DOMException('The operation was aborted', 'AbortError');
        throw rethrow === 'reason' ? cancellationSignal.reason : error;
      }
    }),
};

let client: Client;
let stopWorker: () => Promise<void>;

beforeAll(async () => {
  const address = temporalAddress();
  client = new Client({ connection: await Connection.connect({ address }) });
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    activities,
    workflowsPath: `${import.meta.dirname}/../../fixtures/cancellation-workflows.ts`,
    maxHeartbeatThrottleInterval: '100ms',
  });
  const running = worker.run();
  stopWorker = async () => {
    worker.shutdown();
    await running;
    await connection.close();
    await client.connection.close();
  };
});
afterAll(() => stopWorker());

async function startAndCancel<R>(
  name: keyof typeof workflows,
  argument: string,
): Promise<WorkflowHandle<() => Promise<R>>> {
  const handle = await client.workflow.start<(argument: string) => Promise<R>>(name, {
    taskQueue,
    workflowId: `${name}-${argument}-${Date.now()}`,
    args: [argument],
  });
  await untilStarted(handle);
  await handle.cancel();
  return handle;
}

async function untilStarted(handle: WorkflowHandle): Promise<string> {
  for (;;) {
    const [pending] = (await handle.describe()).raw.pendingActivities ?? [];
    if (pending?.lastHeartbeatTime != null) return pending.activityId ?? '';
    await sleep(50);
  }
}

test('(a) the workflow continues before the cleanup with the default cancellation type', async () => {
  const handle = await startAndCancel<number>('resumesAt', 'default');
  const resumedAt = await handle.result();
  await until(() => Promise.resolve(finishedCleaningAt > 0 || undefined));
  expect(resumedAt).toBeLessThan(finishedCleaningAt);
});

test('(a) the workflow waits for the cleanup with WAIT_CANCELLATION_COMPLETED', async () => {
  const handle = await startAndCancel<number>('resumesAt', 'written out');
  expect(await handle.result()).toBeGreaterThanOrEqual(finishedCleaningAt);
});

test('(b) the reason of the signal is a cancellation to the workflow, an execa error is not', async () => {
  expect(await (await startAndCancel<boolean>('seesCancellation', 'child error')).result()).toBe(false);
  expect(await (await startAndCancel<boolean>('seesCancellation', 'reason')).result()).toBe(true);
});

test.each<Rethrow>(['child error', 'reason'])(
  '(c) a paused activity that rethrows the %s waits as paused, beyond maximumAttempts 1',
  async (rethrow) => {
    const handle = await pauseRunning(rethrow);
    await until(async () => ((await findPending(handle)).attempt === 2 ? true : undefined));
    expect(await findPending(handle)).toMatchObject({ paused: true, attempt: 2 });
    await handle.terminate('the test is finished');
  },
);

test('(c) a paused activity that throws an AbortError hangs until the heartbeat timeout', async () => {
  const handle = await pauseRunning('AbortError');
  await sleep(4_000); // the others are at attempt 2 within a second
  expect(await findPending(handle)).toMatchObject({ paused: true, attempt: 1 });
  await handle.terminate('the test is finished');
});

/** Pauses the activity and waits until it ends. */
async function pauseRunning(rethrow: Rethrow): Promise<WorkflowHandle> {
  const handle = await client.workflow.start<typeof workflows.seesCancellation>('seesCancellation', {
    taskQueue,
    workflowId: `pause-${rethrow}-${Date.now()}`,
    args: [rethrow],
  });
  const id = await untilStarted(handle);
  endings.length = 0;
  const { runId } = await handle.describe();
  const execution = { workflowId: handle.workflowId, runId };
  await client.workflowService.pauseActivity({ namespace: 'default', execution, id, identity: 'test' });
  await until(() => Promise.resolve(endings.length > 0 || undefined));
  expect(endings).toEqual(['paused']);
  return handle;
}

/** Returns the state of the activity on the server. */
async function findPending(handle: WorkflowHandle) {
  const [pending] = (await handle.describe()).raw.pendingActivities ?? [];
  return { paused: pending?.paused, attempt: pending?.attempt };
}
