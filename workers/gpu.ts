/** The GPU worker: training and test, as many side by side as there are GPUs for. `--device cpu` where there is no GPU. */
import { parseArgs } from 'node:util';
import { createGpuActivities } from '../activities/index.ts';
import { reportLostWatchers } from '../activities/train/report-lost-watchers.ts';
import { listGpus } from '../activities/shared/trainer/gpu-inventory.ts';
import { sweepOrphans } from '../activities/train/sweep-orphans.ts';
import { hostQueue, taskQueues } from '../configs/names.ts';
import { createDependencies } from './dependencies.ts';
import { readEnv } from './env.ts';
import { GpuSlots } from './gpu-slots.ts';
import { runWorker } from './run-worker.ts';

/** So many tasks wait here, with their place in sight, before others are left with the server. */
const waitingRoom = 8;

const { values } = parseArgs({ options: { device: { type: 'string', default: 'cuda' } } });

const dependencies = createDependencies(values.device === 'cpu' ? 'cpu' : 'cuda');
const { EVERSWIN_HOST: host } = readEnv();

function workOn(taskQueue: string) {
  // Polls hold places in the room, too: those of one queue must not take the other's.
  const slots = new GpuSlots(waitingRoom);
  const gpus = { ...dependencies.gpus, whileHolding: slots.whileHolding };
  return {
    taskQueue,
    activities: createGpuActivities({ ...dependencies, gpus }),
    tuner: {
      activityTaskSlotSupplier: slots,
      workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
      localActivityTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
      nexusTaskSlotSupplier: { type: 'fixed-size', numSlots: 1 },
    },
    // Cancellations and pauses arrive with the answer to a heartbeat: this is how late they may be.
    maxHeartbeatThrottleInterval: '5 seconds',
  } as const;
}

/** Beside the work: it gives orphans time to save. */
async function sweep(): Promise<void> {
  try {
    const killed = await sweepOrphans(dependencies.home);
    for (const { pid, job } of killed) console.log(`killed pid ${pid}, an orphan of ${job}: its supervisor is dead`);
  } catch (error) {
    console.error(error);
  }
}

if (dependencies.device === 'cuda') {
  const gpus = await listGpus(dependencies.python);
  console.log(gpus?.map((gpu) => JSON.stringify(gpu)).join('\n') ?? 'no answer of nvidia-smi: one job at a time');
}
await runWorker(
  `gpu-${values.device}`,
  [workOn(taskQueues.gpu), ...(host === undefined ? [] : [workOn(hostQueue(host))])],
  (client) => {
    void sweep();
    return reportLostWatchers(dependencies.home, client);
  },
);
