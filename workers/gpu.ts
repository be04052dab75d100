import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { createGpuActivities } from '../activities/index.ts';
import { reportLostWatchers } from '../activities/train/report-lost-watchers.ts';
import { stopTrainers } from '../activities/train/stop-trainers.ts';
import { stopAbandonedJobs } from '../activities/train/stop-abandoned.ts';
import { readGpuLeases } from '../activities/shared/trainer/gpu-leases.ts';
import { listGpus } from '../activities/shared/trainer/gpu-inventory.ts';
import { killOrphans } from '../activities/train/kill-orphans.ts';
import { hostQueue, taskQueues } from '../configs/names.ts';
import { createDependencies } from './dependencies.ts';
import { readEnv } from './env.ts';
import { GpuSlots } from './gpu-slots.ts';
import { TrainingMetrics } from './metrics/training-metrics.ts';
import { withMetrics } from './metrics/with-metrics.ts';
import { runWorker } from './run-worker.ts';
import type { TemporalServer } from './temporal-server.ts';

/** Tasks that wait on this machine and report their place in the queue; further ones stay on the server. */
const maxWaitingTasks = 8;

/** Bounds how long a trainer runs whose workflow was terminated. */
const abandonedEveryMs = 30_000;

export interface GpuWorkerOptions {
  /** `cpu` runs trainings and tests without GPUs. */
  device: 'cpu' | 'cuda';
  /** Whether a stop of the worker also stops its jobs, which save. */
  drains: boolean;
}

type Dependencies = ReturnType<typeof createDependencies>;

/**
 * Runs the GPU worker until SIGTERM or SIGINT. It runs as many trainings and tests in parallel as the GPUs permit.
 * Trainings outlive it, unless it drains.
 */
export async function runGpuWorker(server: TemporalServer, { device, drains }: GpuWorkerOptions): Promise<void> {
  const dependencies = { ...createDependencies(device), drains };
  const { EVERSWIN_HOST: host, EVERSWIN_GPU_FOLDER: sharedFolder } = readEnv();
  if (sharedFolder !== undefined) await requireSharedFolder(dependencies);
  if (device === 'cuda') {
    const gpus = await listGpus(dependencies.python);
    console.log(gpus?.map((gpu) => JSON.stringify(gpu)).join('\n') ?? 'nvidia-smi failed: running one job at a time');
  }
  const queues = [taskQueues.gpu, ...(host === undefined ? [] : [hostQueue(host)])];
  const metrics = new TrainingMetrics();
  const options = queues.map((queue) => queueOptions({ ...dependencies, observe: metrics.observe }, queue));
  await withMetrics(
    'EVERSWIN_GPU_METRICS_ADDRESS',
    (registry) => metrics.addTo(registry),
    () =>
      runWorker(server, `gpu-${device}`, options, (client) => {
        void sweep(dependencies.home);
        void stopAbandoned(dependencies, client);
        if (drains) stopTrainersOnSignal(dependencies.home);
        return reportLostWatchers(dependencies.home, client);
      }),
  );
}

/** @throws CodedError StorageUnavailable with the command that shares the folder of the leases with this user. */
async function requireSharedFolder({ python, gpus }: Dependencies): Promise<void> {
  await readGpuLeases(python, gpus.folder, new AbortController().signal);
}

function queueOptions(dependencies: Dependencies, taskQueue: string) {
  // Open polls count as well, so each task queue has its own slots.
  const slots = new GpuSlots(maxWaitingTasks);
  const gpus = { ...dependencies.gpus, withGpusHeld: slots.withGpusHeld };
  return {
    taskQueue,
    activities: createGpuActivities({ ...dependencies, gpus }),
    tuner: {
      activityTaskSlotSupplier: slots,
      workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
      localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
      nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
    },
  } as const;
}

/** Kills orphaned trainers. Not awaited before work starts, because orphans get time to save. */
async function sweep(home: string): Promise<void> {
  try {
    const killed = await killOrphans(home);
    for (const { pid, job } of killed)
      console.log(`killed pid ${pid}, orphaned trainer of ${job}: its supervisor has exited`);
  } catch (error) {
    console.error(error);
  }
}

/** Stops abandoned jobs, now and every half minute. */
async function stopAbandoned(dependencies: Dependencies, { workflow }: Client): Promise<void> {
  for (;;) {
    await stopAbandonedJobs(dependencies, workflow).catch((error: unknown) => console.error(error));
    await sleep(abandonedEveryMs, undefined, { ref: false });
  }
}

/** Stops all trainers as soon as the worker does. Activities stop the jobs that they watch; this also stops the others. */
function stopTrainersOnSignal(home: string): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => void stopTrainers(home).catch((error: unknown) => console.error(error)));
}
