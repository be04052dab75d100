/** Runs workers with stubbed activities against the real Temporal server of the test run. */
import './quiet-runtime.ts';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { inject } from 'vitest';
import { taskQueues } from '../../configs/names.ts';
import type { RunInput } from '../../configs/schema/index.ts';
import { miniInput } from './mini-run.ts';
import { happyActivities, type StubbedActivities } from './stub-activities.ts';
import { temporalAddress } from './temporal-address.ts';

let openWorkflowsTerminated: Promise<void> | undefined;

/** Terminates workflows that timed-out tests of an earlier file left open: they would take tasks of this file's workers. */
async function terminateOpenWorkflows({ workflow }: Client): Promise<void> {
  for await (const { workflowId, runId } of workflow.list({ query: `ExecutionStatus = 'Running'` }))
    await workflow
      .getHandle(workflowId, runId)
      .terminate('left by an earlier test')
      .catch(() => undefined);
}

/** Runs `body` with a control worker and a GPU worker. */
export const withWorkers = <T>(
  activities: Partial<StubbedActivities>,
  body: (client: Client) => Promise<T>,
): Promise<T> =>
  withControlWorker(activities, async (client, connection) => {
    const gpuWorker = await Worker.create({
      connection,
      taskQueue: taskQueues.gpu,
      activities: { ...happyActivities, ...activities },
      maxHeartbeatThrottleInterval: '200ms',
    });
    return gpuWorker.runUntil(body(client));
  });

/** Runs `body` with a control worker only. */
export async function withControlWorker<T>(
  activities: Partial<StubbedActivities>,
  body: (client: Client, connection: NativeConnection) => Promise<T>,
): Promise<T> {
  const address = temporalAddress();
  const connection = await NativeConnection.connect({ address });
  const client = new Client({ connection: await Connection.connect({ address }) });
  await (openWorkflowsTerminated ??= terminateOpenWorkflows(client));
  const worker = await Worker.create({
    connection,
    taskQueue: taskQueues.control,
    workflowBundle: { codePath: inject('workflowBundlePath') },
    // The value in workers/run-worker.ts.
    stickyQueueScheduleToStartTimeout: '2 seconds',
    maxHeartbeatThrottleInterval: '200ms',
    activities: { ...happyActivities, ...activities },
  });
  try {
    return await worker.runUntil(body(client, connection));
  } finally {
    await client.connection.close();
    await connection.close();
  }
}

let count = 0;
/** Creates a valid input with a unique name. */
export const freshInput = (): RunInput => ({ ...miniInput, name: `test-${process.pid}-${count++}` });
