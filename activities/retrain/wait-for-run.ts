import { ApplicationFailure } from '@temporalio/common';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { waitForResult } from '../shared/temporal/wait-for-result.ts';

/**
 * Waits until a workflow completes. Safe to retry after a worker loss.
 * @throws the failure of the workflow.
 */
export const waitForRun = (workflowId: string): Promise<void> =>
  withHeartbeat(
    () => `waiting for ${workflowId}`,
    async () => {
      const result = await waitForResult(workflowId);
      if (result === null) throw ApplicationFailure.nonRetryable(`${workflowId} was canceled.`, 'Unexpected');
    },
  );
