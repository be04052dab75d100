import type { Client } from '@temporalio/client';
import { createControlActivities } from '../activities/index.ts';
import { taskQueues } from '../configs/names.ts';
import { createDependencies } from './dependencies.ts';
import { startAttemptCounts } from './metrics/attempt-counts.ts';
import { addRunMetrics } from './metrics/run-metrics.ts';
import { withMetrics } from './metrics/with-metrics.ts';
import type { TemporalServer } from './temporal-server.ts';
import { runWorker } from './run-worker.ts';
import { bundlerOptions, workflowsPath } from './workflow-bundle.ts';

/** Runs the control worker, which runs workflows, downloads and reports, until SIGTERM or SIGINT. */
export function runControlWorker(server: TemporalServer): Promise<void> {
  let connected: Client | undefined;
  const options = {
    taskQueue: taskQueues.control,
    workflowsPath,
    bundlerOptions,
    activities: createControlActivities(createDependencies('cpu')),
  };
  return withMetrics(
    'EVERSWIN_CONTROL_METRICS_ADDRESS',
    (registry) => [addRunMetrics(registry, () => connected)],
    () =>
      runWorker(server, 'control', options, (client) => {
        connected = client;
        startAttemptCounts(client.options.namespace);
        return Promise.resolve();
      }),
  );
}
