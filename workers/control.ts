import { createControlActivities } from '../activities/index.ts';
import { taskQueues } from '../configs/names.ts';
import { createDependencies } from './dependencies.ts';
import type { TemporalServer } from './temporal-server.ts';
import { runWorker } from './run-worker.ts';
import { bundlerOptions, workflowsPath } from './workflow-bundle.ts';

/** Runs the control worker, which runs workflows, downloads and reports, until SIGTERM or SIGINT. */
export const runControlWorker = (server: TemporalServer): Promise<void> =>
  runWorker(server, 'control', {
    taskQueue: taskQueues.control,
    workflowsPath,
    bundlerOptions,
    activities: createControlActivities(createDependencies('cpu')),
  });
