import { CancellationScope } from '@temporalio/workflow';
import { hostsOf } from '../../configs/schema/plan-hosts.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import { hasCode } from '../support/coded-failure.ts';
import { onHost, stopping } from '../support/policies.ts';

/**
 * Runs work that trains or tests. An activity with an unexpected result may have left its trainer running without a
 * watcher, so the trainer is asked to save and stop before the run fails.
 */
export async function stopOnUnexpectedResult<T>(plan: RunPlan, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (hasCode(error, 'UnexpectedResult')) await CancellationScope.nonCancellable(() => stopJobs(plan));
    throw error;
  }
}

async function stopJobs(plan: RunPlan): Promise<void> {
  const hosts = hostsOf(plan);
  const places = hosts.length === 0 ? [{}] : hosts.map(onHost);
  const request = { runId: plan.runId };
  const stopped = places.map((place) => stopping.stopJobs.executeWithOptions(place, [request]));
  // A host that does not answer must not hide the error of the run; the history shows its failed activity.
  await Promise.all(stopped.map((one) => one.catch(() => undefined)));
}
