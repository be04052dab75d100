/** Simulates a lost machine: worker disconnected, trainer killed, run and store deleted. Another machine resumes from S3. */
import { readdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ActivityDependencies } from '../../../activities/dependencies.ts';
import { createGpuActivities } from '../../../activities/index.ts';
import { openStore } from '../../../activities/shared/store/open-store.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { taskQueues } from '../../../configs/names.ts';
import { CheckpointManifest, RunStatus, type RunPlan } from '../../../configs/schema/index.ts';
import { RunPointer } from '../../../configs/schema/run-pointer.ts';
import { objectStoreRegion } from '../../../infra/stack/object-store.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { startPartitionProxy } from '../../fixtures/partition-proxy.ts';
import { createMiniRun, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { startS3Server, type S3Server } from '../../helpers/s3-server.ts';
import { freshInput, withControlWorker, withWorkers } from '../../helpers/workflow-env.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { killAll } from '../../helpers/kill-all.ts';

/** Returns the plan with its artifacts under a separate prefix. */
const planIn = (prefix: string): RunPlan => {
  const artifacts = { store: `s3://${s3.bucket}/${prefix}` };
  return { ...miniPlan, input: { ...miniPlan.input, artifacts } };
};
const slowSteps = ['--step-seconds', '0.5'];

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
  // The store reads its credentials from the environment, as in a worker.
  for (const [name, value] of Object.entries(s3.env)) vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await s3.stop();
});

async function createMachine(): Promise<MiniRun> {
  const run = await createMiniRun(...slowSteps);
  const { home } = run.dependencies;
  const s3Server = { endpoint: s3.endpoint, region: objectStoreRegion };
  const open = (address: string) => openStore(address, { home, s3: s3Server });
  return { ...run, dependencies: { ...run.dependencies, s3Server, openStore: open } };
}

async function newestWeights({ folder }: MiniRun): Promise<string> {
  const names = (await readdir(folder.train.checkpoints)).filter((name) => name.endsWith('.json')).sort();
  const manifest = await readJson(`${folder.train.checkpoints}/${names.at(-1)}`, CheckpointManifest);
  return `${manifest?.iteration} ${manifest?.sha256}`;
}

const gpuActivitiesOf = (dependencies: ActivityDependencies) => ({
  ...createGpuActivities(dependencies),
  checkMachine: () => Promise.resolve([]), // importing torch would take seconds
});

async function startGpuWorker(address: string, { dependencies }: MiniRun) {
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue: taskQueues.gpu,
    activities: gpuActivitiesOf(dependencies),
    maxConcurrentActivityTaskExecutions: 1,
  });
  return { worker, running: worker.run() };
}

/** Kills and deletes everything, without a signal handler or a last heartbeat. */
async function destroy({ folder, dependencies }: MiniRun): Promise<void> {
  const job = await findLiveJob(folder.train);
  const ranks = (await readProgress(folder.train.progress)).flatMap((event) =>
    event.type === 'started' ? event.pids : [],
  );
  killAll(job === undefined ? ranks : [...ranks, job.owner.pid]);
  await rm(dependencies.home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

async function hasPointedCheckpoint(prefix: string): Promise<boolean> {
  const pointer = await s3.store(prefix).read('runs/mini/latest.json');
  return pointer !== undefined && RunPointer.parse(JSON.parse(pointer.body)).checkpoints.length > 0;
}

test('trainDetector finishes on another machine with equal weights when a machine is lost', async () => {
  const undisturbed = await createMachine();
  const controlOf = (prefix: string) => ({ resolvePlan: () => Promise.resolve(planIn(prefix)) });
  await withWorkers({ ...gpuActivitiesOf(undisturbed.dependencies), ...controlOf('undisturbed') }, async (client) =>
    (await startRun(client, freshInput())).handle.result(),
  );

  const [lost, next] = [await createMachine(), await createMachine()];
  const address = temporalAddress();
  const proxy = await startPartitionProxy(address);
  try {
    await withControlWorker(controlOf('lost'), async (client) => {
      const first = await startGpuWorker(proxy.address, lost);
      const { handle } = await startRun(client, freshInput());
      // The pointer names a checkpoint only once it is complete in the store.
      while (!(await hasPointedCheckpoint('lost/'))) await sleep(100);
      proxy.cut();
      await destroy(lost);

      const second = await startGpuWorker(address, next);
      await handle.result();
      const { attempts } = RunStatus.parse(await handle.query('status'));
      expect(attempts.map(({ outcome }) => outcome)).toEqual(['worker-lost', 'finished']);
      expect(attempts[1]?.fromIteration).toBeGreaterThan(0);
      expect(attempts[1]?.fence).toBeGreaterThan(1);
      proxy.heal();
      first.worker.shutdown();
      second.worker.shutdown();
      await Promise.all([first.running.catch(() => undefined), second.running]);
    });
    expect(await newestWeights(next)).toBe(await newestWeights(undisturbed));
  } finally {
    await proxy.close();
    await Promise.all([lost, next, undisturbed].map((run) => run.remove()));
  }
}, 300_000);
