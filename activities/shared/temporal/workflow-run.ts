import { Context } from '@temporalio/activity';
import type { JobFolder } from '../../../configs/paths.ts';
import { acquireFence, type FenceHolder } from '../run/fence.ts';

/**
 * Acquires a fence for an attempt of the workflow run that scheduled this activity.
 * @throws CodedError StaleAttempt when a newer attempt, or a newer workflow run, holds the fence.
 */
export function acquireRunFence(job: JobFolder, attempt: Omit<FenceHolder, 'workflowRun'>): Promise<number> {
  const workflowRun = Context.current().info.workflowExecution?.runId ?? '';
  // Without an answer of the server, the run counts as open: the server has just handed out this attempt.
  return acquireFence(job, { workflowRun, ...attempt }, () => hasWorkflowRunEnded().catch(() => false));
}

/** Returns whether the workflow run that scheduled this activity has ended, such as after a reset or `terminate`. */
export async function hasWorkflowRunEnded(): Promise<boolean> {
  const { client, info } = Context.current();
  if (info.workflowExecution === undefined) return false;
  const { workflowId, runId } = info.workflowExecution;
  const { status } = await client.workflow.getHandle(workflowId, runId).describe();
  return status.name !== 'RUNNING';
}
