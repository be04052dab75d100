/** Control worker: runs workflows, downloads and reports. */
import { createControlActivities } from '../activities/index.ts';
import { taskQueues } from '../configs/names.ts';
import { createDependencies } from './dependencies.ts';
import { runWorker } from './run-worker.ts';

await runWorker('control', {
  taskQueue: taskQueues.control,
  workflowsPath: `${import.meta.dirname}/../workflows/index.ts`,
  activities: createControlActivities(createDependencies('cpu')),
});
