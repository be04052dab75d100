/** GPU worker: runs as many trainings and tests in parallel as the GPUs permit. `--device cpu` runs without GPUs. */
import { parseArgs } from 'node:util';
import { createGpuActivities } from '../activities/index.ts';
import { reportLostWatchers } from '../activities/train/report-lost-watchers.ts';
import { listGpus } from '../activities/shared/trainer/gpu-inventory.ts';
import { killOrphans } from '../activities/train/kill-orphans.ts';
import { hostQueue, taskQueues } from '../configs/names.ts';
import { createDependencies } from './dependencies.ts';
import { readEnv } from './env.ts';
import { GpuSlots } from './gpu-slots.ts';
import { runWorker } from './run-worker.ts';

/** Tasks that wait on this machine and report their place in the queue; further ones stay on the server. */
const maxWaitingTasks = 8;

const { values } = parseArgs({ options: { device: { type: 'string', default: 'cuda' } } });

const dependencies = createDependencies(values.device === 'cpu' ? 'cpu' : 'cuda');
const { EVERSWIN_HOST: host } = readEnv();

function queueOptions(taskQueue: string) {
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
    // Cancellations and pauses arrive in the response to a heartbeat, so this bounds their delay.
    maxHeartbeatThrottleInterval: '5 seconds',
  } as const;
}

/** Kills orphaned trainers. Not awaited before work starts, because orphans get time to save. */
async function sweep(): Promise<void> {
  try {
    const killed = await killOrphans(dependencies.home);
    for (const { pid, job } of killed)
      console.log(`killed pid ${pid}, orphaned trainer of ${job}: its supervisor has exited`);
  } catch (error) {
    console.error(error);
  }
}

if (dependencies.device === 'cuda') {
  const gpus = await listGpus(dependencies.python);
  console.log(gpus?.map((gpu) => JSON.stringify(gpu)).join('\n') ?? 'nvidia-smi failed: running one job at a time');
}
await runWorker(
  `gpu-${values.device}`,
  [queueOptions(taskQueues.gpu), ...(host === undefined ? [] : [queueOptions(hostQueue(host))])],
  (client) => {
    void sweep();
    return reportLostWatchers(dependencies.home, client);
  },
);
