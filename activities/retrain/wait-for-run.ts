import { ApplicationFailure } from '@temporalio/common';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { waitForResult } from '../shared/temporal/wait-for-result.ts';

/**
 * Until a workflow that somebody else started has ended well. Tried again when this worker dies: waiting costs nothing.
 * @throws its failure.
 */
export const waitForRun = (workflowId: string): Promise<void> =>
  withHeartbeat(
    () => `waiting for ${workflowId}`,
    async () => {
      const result = await waitForResult(workflowId);
      if (result === null) throw ApplicationFailure.nonRetryable(`${workflowId} was cancelled.`, 'Unexpected');
    },
  );
