import { CancellationScope, CancelledFailure, isCancellation, patched } from '@temporalio/workflow';
import { cancelledDespiteErrors } from './patches.ts';
import { withTimeoutCode } from '../support/coded-failure.ts';
import { summarizeFailure } from '../support/summarize-failure.ts';

/**
 * Enters the last stage of a workflow that did not finish.
 * @returns the error with which the workflow ends.
 */
export function endUnfinished(board: { enter: (stage: 'cancelled' | 'failed') => void }, error: unknown): unknown {
  const end = endOf(error);
  board.enter(isCancellation(end) ? 'cancelled' : 'failed');
  return end;
}

/**
 * Returns the error with which a workflow ends. A cancelled workflow ends as cancelled, also when its activity failed
 * instead, because its worker died before it could confirm the cancellation.
 */
export const endOf = (error: unknown): unknown =>
  isDespiteCancellation(error) ? new CancelledFailure(summarizeFailure(error).message) : withTimeoutCode(error);

const isDespiteCancellation = (error: unknown): boolean =>
  !isCancellation(error) && CancellationScope.current().consideredCancelled && patched(cancelledDespiteErrors);
