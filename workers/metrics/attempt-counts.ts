import { Runtime } from '@temporalio/worker';
import { taskQueues, workflowTypes } from '../../configs/names.ts';
import { attemptsMetric } from '../../configs/prometheus-metrics.ts';
import { AttemptOutcome } from '../../configs/schema/index.ts';

/** Starts the counts of attempts at 0, with the labels of the workflows: a series that begins with 1 shows no increase. */
export function startAttemptCounts(namespace: string): void {
  const counter = Runtime.instance().metricMeter.createCounter(attemptsMetric.name);
  const labels = { namespace, taskQueue: taskQueues.control, workflowType: workflowTypes.trainDetector };
  for (const outcome of AttemptOutcome.options) counter.add(0, { ...labels, outcome });
}
