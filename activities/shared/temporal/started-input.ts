import type { Context } from '@temporalio/activity';
import { defaultPayloadConverter } from '@temporalio/common';

/** Returns the input with which the newest execution of a workflow was started; undefined if it had none. */
export async function readStartedInput(client: Context['client'], workflowId: string): Promise<unknown> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: 1,
  });
  const [payload] = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  return payload === undefined ? undefined : defaultPayloadConverter.fromPayload(payload);
}
