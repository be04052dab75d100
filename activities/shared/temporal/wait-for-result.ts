import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';

/**
 * Waits for the result of another workflow, without a time limit; null if that workflow was canceled.
 * @throws its failure as non-retryable; the reason of this activity's cancellation; a connection error, which Temporal
 * retries.
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
