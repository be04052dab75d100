/** (d) Partitions a worker for longer than its heartbeat timeout, while its trainer keeps running. */
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { currentFence } from '../../../activities/shared/run/fence.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { taskQueues, updateNames } from '../../../configs/names.ts';
import { RunStatus } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { startPartitionProxy } from '../../fixtures/partition-proxy.ts';
import { createMiniRun, miniPlan } from '../../helpers/mini-run.ts';
import { aDetector, someMetrics } from '../../helpers/stub-activities.ts';
import { freshInput, withControlWorker } from '../../helpers/workflow-env.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';

const statusOf = async (handle: WorkflowHandle): Promise<RunStatus> => RunStatus.parse(await handle.query('status'));

/** Ends the training after one of the next epochs. */
async function stopSoon(handle: WorkflowHandle): Promise<void> {
  const epoch = await until(async () => (await statusOf(handle)).progress?.epoch);
  await handle.executeUpdate(updateNames.stopAfterEpoch, { args: [epoch + 5] });
}

test('trainDetector adopts the trainer of a partitioned worker, whose attempt becomes stale', async () => {
  const run = await createMiniRun('--step-seconds', '0.2'); // an epoch lasts 2 s
  const address = temporalAddress();
  const proxy = await startPartitionProxy(address);
  const failures: unknown[] = [];
  const gpu = createGpuActivities(run.dependencies);
  const watched = {
    ...gpu,
    checkMachine: () => Promise.resolve([]), // importing torch would take seconds
    runTest: () => Promise.resolve(someMetrics),
    exportDetector: () => Promise.resolve(aDetector),
    runTraining: (request: Parameters<typeof gpu.runTraining>[0]) =>
      gpu.runTraining(request).catch((error: unknown) => {
        failures.push(error);
        throw error;
      }),
  };
  const startGpuWorker = async (through: string, activities: typeof gpu) => {
    const connection = await NativeConnection.connect({ address: through });
    const worker = await Worker.create({
      connection,
      taskQueue: taskQueues.gpu,
      activities,
      maxConcurrentActivityTaskExecutions: 1,
    });
    return { worker, running: worker.run() };
  };
  const plan = { ...miniPlan, epochs: 500 }; // lasts until the test stops it
  const control = { resolvePlan: () => Promise.resolve(plan) };
  try {
    await withControlWorker(control, async (client) => {
      const first = await startGpuWorker(proxy.address, watched);
      const { handle } = await startRun(client, freshInput());
      await until(async () => {
        const events = await readProgress(run.folder.train.progress);
        return events.some(({ type }) => type === 'step') ? true : undefined;
      });
      proxy.cut();
      const second = await startGpuWorker(address, watched);
      await until(async () => ((await currentFence(run.folder.train)) === 2 ? true : undefined));
      proxy.heal();
      await until(() => Promise.resolve(failures.length > 0 || undefined));
      await stopSoon(handle);
      await handle.result();
      const { attempts } = await statusOf(handle);
      expect(attempts.map(({ outcome, adopted }) => [outcome, adopted])).toEqual([
        ['worker-lost', false],
        ['finished', true],
      ]);
      expect(failures).toMatchObject([{ type: 'StaleAttempt' }]);
      first.worker.shutdown();
      second.worker.shutdown();
      await Promise.all([first.running, second.running]);
    });
    const started = (await readProgress(run.folder.train.progress)).filter(({ type }) => type === 'started');
    expect(started).toHaveLength(1);
  } finally {
    await proxy.close();
    await run.remove();
  }
});
