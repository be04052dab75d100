/** GPU worker of the chaos suite, similar to workers/gpu.ts: `--subject mini|real`. */
import { parseArgs } from 'node:util';
import { createGpuActivities } from '../../activities/index.ts';
import { reportLostWatchers } from '../../activities/train/report-lost-watchers.ts';
import { taskQueues } from '../../configs/names.ts';
import { readEnv } from '../../workers/env.ts';
import { TrainingMetrics } from '../../workers/metrics/training-metrics.ts';
import { withMetrics } from '../../workers/metrics/with-metrics.ts';
import { readServer } from '../../workers/temporal-server.ts';
import { runWorker } from '../../workers/run-worker.ts';
import { shiftClockBy } from './shift-clock.ts';
import { findSubject } from './subject.ts';
import { chaosDependencies } from './worker-dependencies.ts';

shiftClockBy(`${readEnv().EVERSWIN_HOME}/chaos/clock-gpu-worker`);
const { values } = parseArgs({ options: { subject: { type: 'string', default: 'mini' } } });

const subject = findSubject(values.subject);
const metrics = new TrainingMetrics();
const dependencies = { ...chaosDependencies(subject), observe: metrics.observe };
const options = {
  taskQueue: taskQueues.gpu,
  activities: { ...createGpuActivities(dependencies), ...subject.gpuStubs },
  maxConcurrentActivityTaskExecutions: 1,
  maxHeartbeatThrottleInterval: '5 seconds',
} as const;
await withMetrics(
  'EVERSWIN_GPU_METRICS_ADDRESS',
  (registry) => metrics.addTo(registry),
  () => runWorker(readServer(), 'chaos-gpu', options, (client) => reportLostWatchers(dependencies.home, client)),
);
