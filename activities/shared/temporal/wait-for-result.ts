import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';

/**
 * What a workflow that somebody else started ends with, however long that takes; null where somebody cancelled it.
 * @throws what it failed with, not to be tried again; the reason of our own signal; and the error of a server that does
 * not answer, which is tried again.
 */
export async function waitForResult(workflowId: string): Promise<unknown> {
  const { client, cancellationSignal: signal } = Context.current();
  const handle = client.workflow.getHandle(workflowId);
  try {
    return await client.withAbortSignal(signal, () => handle.result());
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof Error) || error.name !== 'WorkflowFailedError') throw error;
    const { cause } = error;
    if (cause instanceof CancelledFailure) return null;
    const type = cause instanceof ApplicationFailure ? cause.type : undefined;
    const message = cause instanceof Error ? cause.message : error.message;
    throw ApplicationFailure.nonRetryable(message, type ?? 'Unexpected');
  }
}
