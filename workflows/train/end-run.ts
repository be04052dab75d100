import { ApplicationFailure, CancellationScope, isCancellation, patched, TemporalFailure } from '@temporalio/workflow';
import { clipExplanation, explainError } from '../../activities/shared/summary/run-failure.ts';
import { FailureExplanation, type RunFailure } from '../../configs/schema/index.ts';
import { recording } from '../support/policies.ts';
import { findApplicationFailure } from '../support/summarize-failure.ts';
import { endOf } from './end-unfinished.ts';
import { recordCancellations, recordFailures } from './patches.ts';
import type { StatusBoard } from './status-board.ts';

/**
 * Enters the last stage of a run that did not finish, and records it for the pages. Of a failed run, it shows and
 * records why: one explanation for status, Temporal UI and pages.
 * @returns the error with which the workflow ends.
 */
export async function endRun(board: StatusBoard, error: unknown): Promise<unknown> {
  const end = endOf(error);
  // Any other error fails the workflow task, which Temporal repeats: it ends no run.
  if (isCancellation(end) || !(end instanceof TemporalFailure)) {
    board.enter(isCancellation(end) ? 'cancelled' : 'failed');
    if (isCancellation(end) && patched(recordCancellations))
      await record(() =>
        recording.recordCancellation({ runId: board.runId, cancellation: { v: 1, at: Date.now() / 1000 } }),
      );
    return end;
  }
  const { type, message, details } = findApplicationFailure(end);
  const code = type ?? 'Unexpected';
  const explained = FailureExplanation.safeParse(details?.[0]).data ?? explainError(code, message);
  const failure: RunFailure = {
    v: 1,
    at: Date.now() / 1000,
    stage: board.stage,
    code,
    ...clipExplanation(explained),
  };
  board.fail(failure);
  if (patched(recordFailures)) await record(() => recording.recordFailure({ runId: board.runId, failure }));
  return ApplicationFailure.create({ message, type: code, nonRetryable: true, details: [failure] });
}

/** Best effort: the run ends in any case. */
async function record(write: () => Promise<void>): Promise<void> {
  try {
    await CancellationScope.nonCancellable(write);
  } catch {
    // Status and Temporal UI show the end without the file; the history shows the failed activity.
  }
}
