/** The GPU worker: training and test, one at a time. `--device cpu` where there is no GPU. */
import { parseArgs } from 'node:util';
import { createGpuActivities } from '../activities/index.ts';
import { reportLostWatchers } from '../activities/report-lost-watchers.ts';
import { taskQueues } from '../configs/names.ts';
import { gatherDependencies } from './dependencies.ts';
import { runWorker } from './run-worker.ts';

const { values } = parseArgs({ options: { device: { type: 'string', default: 'cuda' } } });

const dependencies = gatherDependencies(values.device === 'cpu' ? 'cpu' : 'cuda');
await runWorker(
  `gpu-${values.device}`,
  {
    taskQueue: taskQueues.gpu,
    activities: createGpuActivities(dependencies),
    maxConcurrentActivityTaskExecutions: 1,
    // Cancellations and pauses arrive with the answer to a heartbeat: this is how late they may be.
    maxHeartbeatThrottleInterval: '5 seconds',
  },
  (client) => reportLostWatchers(dependencies.home, client),
);
