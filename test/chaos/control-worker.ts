/** Control worker of the chaos suite: `--subject mini|real`. */
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { createControlActivities } from '../../activities/index.ts';
import { taskQueues } from '../../configs/names.ts';
import { readEnv } from '../../workers/env.ts';
import { addRunMetrics } from '../../workers/metrics/run-metrics.ts';
import { withMetrics } from '../../workers/metrics/with-metrics.ts';
import { readServer } from '../../workers/temporal-server.ts';
import { runWorker } from '../../workers/run-worker.ts';
import { shiftClockBy } from './shift-clock.ts';
import { findSubject } from './subject.ts';
import { chaosDependencies } from './worker-dependencies.ts';

shiftClockBy(`${readEnv().EVERSWIN_HOME}/chaos/clock-control-worker`);
const { values } = parseArgs({ options: { subject: { type: 'string', default: 'mini' } } });
const subject = findSubject(values.subject);

const options = {
  taskQueue: taskQueues.control,
  // Bundled once by the stack, because bundling would add seconds to each restart.
  workflowBundle: { codePath: `${readEnv().EVERSWIN_HOME}/workflows.js` },
  activities: { ...createControlActivities(chaosDependencies(subject)), ...subject.stubs },
};
let connected: Client | undefined;
await withMetrics(
  'EVERSWIN_CONTROL_METRICS_ADDRESS',
  (registry) => [addRunMetrics(registry, () => connected)],
  () =>
    runWorker(readServer(), 'chaos-control', options, (client) => {
      connected = client;
      return Promise.resolve();
    }),
);
