/** What the record of an attempt says when its worker stops while the trainer runs, or stops with it. */
import { NativeConnection, Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { findLiveJob, requestStop } from '../../../activities/shared/trainer/trainer-process.ts';
import { taskQueues } from '../../../configs/names.ts';
import { RunStatus } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { createMiniRun, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';
import { aDetector, someMetrics } from '../../helpers/stub-activities.ts';
import { freshInput, withControlWorker } from '../../helpers/workflow-env.ts';

const hasStepped = async ({ folder }: MiniRun) =>
  (await readProgress(folder.train.progress)).some((one) => one.type === 'step' && one.iteration >= 4);

/** Trains with one GPU worker, stops it after four steps, and finishes with another one. */
async function replaceWorker(
  stop: (worker: Worker, stopTrainer: () => Promise<void>) => Promise<void>,
  drains = false,
) {
  const run = await createMiniRun('--step-seconds', '0.3');
  const connection = await NativeConnection.connect({ address: temporalAddress() });
  const activities = {
    ...createGpuActivities({ ...run.dependencies, drains }),
    checkMachine: () => Promise.resolve([]), // importing torch would take seconds
    runTest: () => Promise.resolve(someMetrics),
    exportDetector: () => Promise.resolve(aDetector),
  };
  const createWorker = () => Worker.create({ connection, taskQueue: taskQueues.gpu, activities });
  try {
    return await withControlWorker({ resolvePlan: () => Promise.resolve(miniPlan) }, async (client) => {
      const first = await createWorker();
      const running = first.run();
      const { handle } = await startRun(client, freshInput());
      const readStatus = async () => RunStatus.parse(await handle.query('status'));
      await until(async () => ((await hasStepped(run)) ? true : undefined));
      const live = await findLiveJob(run.folder.train);
      await stop(first, async () => live && (await requestStop(live.owner)));
      await running;
      const [recorded] = await until(async () => {
        const { attempts } = await readStatus();
        return attempts.length > 0 ? attempts : undefined;
      });
      const second = await createWorker();
      await second.runUntil(handle.result());
      return { recorded, live, ...(await readStatus()) };
    });
  } finally {
    await connection.close();
    await run.remove();
  }
}

type Stop = Parameters<typeof replaceWorker>[0];

const stopBoth: Stop = async (worker, stopTrainer) => {
  worker.shutdown();
  await stopTrainer();
};
const stopWorker: Stop = (worker) => Promise.resolve(worker.shutdown());

test.each([
  ['whose trainer is stopped together with its worker', stopBoth, false],
  ['whose worker drains', stopWorker, true],
])('an attempt %s is preempted, with its steps', async (_, stop, drains) => {
  const { recorded, attempts, decisions, ledger } = await replaceWorker(stop, drains);
  expect(recorded).toMatchObject({ outcome: 'preempted', fromIteration: 0, fromEpoch: 0 });
  expect(recorded?.toIteration).toBeGreaterThanOrEqual(4);
  expect(recorded?.checkpoints).toEqual([recorded?.toIteration]);
  expect(decisions[0]).toMatchObject({ next: 'retry', why: 'preempted; not counted as a failure' });
  expect(attempts[1]).toMatchObject({ outcome: 'finished', adopted: false, fromIteration: recorded?.toIteration });
  expect(ledger.interruptions).toMatchObject([{ class: 'preempted', stepsLost: 0 }]);
});

test('an attempt whose worker stops alone is recorded with the steps that it watched', async () => {
  const { recorded, attempts, live, ledger } = await replaceWorker(stopWorker);
  const { fence, host } = live?.owner ?? {};
  expect(recorded).toMatchObject({ outcome: 'worker-lost', fence, host, fromIteration: 0, fromEpoch: 0 });
  expect(recorded?.toIteration).toBeGreaterThanOrEqual(4);
  expect(recorded?.cause).toMatch(/^The worker is shutting down\. The trainer \(pid \d+\) keeps running\./);
  expect(attempts[1]).toMatchObject({ outcome: 'finished', adopted: true });
  expect(ledger.interruptions).toMatchObject([{ class: 'worker-lost', stepsLost: 0 }]);
});
