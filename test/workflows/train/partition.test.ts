/** (d) Partitions a worker for longer than its heartbeat timeout, while its trainer keeps running. */
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection, Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { taskQueues } from '../../../configs/names.ts';
import { RunStatus } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { startPartitionProxy } from '../../fixtures/partition-proxy.ts';
import { createMiniRun, miniPlan } from '../../helpers/mini-run.ts';
import { freshInput, someMetrics, withControlWorker } from '../../helpers/workflow-env.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';

test('trainDetector adopts the trainer of a partitioned worker, whose attempt becomes stale', async () => {
  const run = await createMiniRun('--step-seconds', '1.5'); // 30 steps last longer than the partition and the heartbeat timeout
  const address = temporalAddress();
  const proxy = await startPartitionProxy(address);
  const failures: unknown[] = [];
  const gpu = createGpuActivities(run.dependencies);
  const watched = {
    ...gpu,
    runTest: () => Promise.resolve(someMetrics),
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
  const control = { resolvePlan: () => Promise.resolve(miniPlan) };
  try {
    await withControlWorker(control, async (client) => {
      const first = await startGpuWorker(proxy.address, watched);
      const { handle } = await startRun(client, freshInput());
      while (!(await readProgress(run.folder.train.progress)).some(({ type }) => type === 'step')) await sleep(100);
      proxy.cut();
      const second = await startGpuWorker(address, watched);
      while (RunStatus.parse(await handle.query('status')).attempts.length === 0) await sleep(500);
      await sleep(2_000); // by now the second worker has a newer fencing token
      proxy.heal();
      await handle.result();
      const { attempts } = RunStatus.parse(await handle.query('status'));
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
}, 120_000);
