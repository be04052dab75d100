import type { Context } from '@temporalio/activity';
import { decodeFromPayloadsAtIndex } from '@temporalio/common/lib/internal-non-workflow/codec-helpers.js';

/** Returns the input with which the newest execution of a workflow was started; undefined if it had none. */
export async function readStartedInput(client: Context['client'], workflowId: string): Promise<unknown> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: 1,
  });
  const input = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input;
  return decodeFromPayloadsAtIndex(client.options.loadedDataConverter, 0, input?.payloads);
}
