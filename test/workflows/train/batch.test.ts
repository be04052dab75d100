/** Batch operations of Temporal (`temporal batch …`) on runs with real supervisors: one trains, two wait for its GPU. */
import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { runFolder, type RunFolder } from '../../../configs/paths.ts';
import { RunStatus } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { createMiniRun, miniPlan } from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

type BatchRequest = Parameters<Client['workflowService']['startBatchOperation']>[0];

/** Applies an operation to the newest execution of each workflow. */
async function runBatch(client: Client, workflowIds: string[], operation: Partial<BatchRequest>): Promise<void> {
  const executions = workflowIds.map((workflowId) => ({ workflowId }));
  const jobId = randomUUID();
  await client.workflowService.startBatchOperation({
    namespace: 'default',
    jobId,
    reason: 'a test',
    executions,
    ...operation,
  });
  await until(async () => {
    const batch = await client.workflowService.describeBatchOperation({ namespace: 'default', jobId });
    expect(batch.failureOperationCount.toString()).toBe('0');
    return batch.completeOperationCount.toNumber() === workflowIds.length ? true : undefined;
  });
}

const countProcesses = async ({ root }: RunFolder) =>
  Number((await execa('pgrep', ['-fc', '--', root], { reject: false })).stdout);

test('batches that signal, reset, cancel and terminate three runs leave one trainer per open run and none else', async () => {
  const run = await createMiniRun('--steps-per-epoch', '10000', '--step-seconds', '0.05');
  const { home } = run.dependencies;
  const activities = {
    ...createGpuActivities(run.dependencies),
    checkMachine: () => Promise.resolve([]), // importing torch would take seconds
    resolvePlan: (input: typeof miniPlan.input) => Promise.resolve({ ...miniPlan, runId: input.name }),
  };
  try {
    await withWorkers(activities, async (client) => {
      const inputs = [freshInput(), freshInput(), freshInput()];
      const folders = inputs.map(({ name }) => runFolder(home, name));
      const startAll = () => Promise.all(inputs.map(async (input) => (await startRun(client, input)).handle));
      const status = async (id: string) => RunStatus.parse(await client.workflow.getHandle(id).query('status'));
      const findTrainers = async () =>
        (await Promise.all(folders.map(({ train }) => findLiveJob(train)))).flatMap((job) => job?.owner.pid ?? []);
      const untilAllTrainOrWait = (ids: string[]) =>
        until(async () => {
          const waiting = (await Promise.all(ids.map(status))).filter((one) => one.waiting !== null);
          return waiting.length === 2 && (await findTrainers()).length === 1 ? true : undefined;
        });
      const untilNoProcess = () =>
        until(async () => ((await Promise.all(folders.map(countProcesses))).every((n) => n === 0) ? true : undefined));

      const ids = (await startAll()).map(({ workflowId }) => workflowId);
      await untilAllTrainOrWait(ids);
      const [trainer] = await findTrainers();

      await runBatch(client, ids, { signalOperation: { signal: 'unknown' } });
      await runBatch(client, ids, { resetOperation: { options: { lastWorkflowTask: {} } } });
      await untilAllTrainOrWait(ids);
      expect(await findTrainers()).toEqual([trainer]);

      await runBatch(client, ids, { cancellationOperation: {} });
      for (const id of ids)
        await expect(client.workflow.getHandle(id).result()).rejects.toMatchObject({
          cause: { name: 'CancelledFailure' },
        });
      expect(await Promise.all(folders.map(countProcesses))).toEqual([0, 0, 0]);

      await untilAllTrainOrWait((await startAll()).map(({ workflowId }) => workflowId));
      await runBatch(client, ids, { terminationOperation: {} });
      await untilNoProcess();
    });
  } finally {
    await run.remove();
  }
});
