import { ApplicationFailure, CancellationScope, isCancellation, patched, TemporalFailure } from '@temporalio/workflow';
import { clipExplanation, explainError } from '../../activities/shared/summary/run-failure.ts';
import { FailureExplanation, type RunFailure } from '../../configs/schema/index.ts';
import { recording } from '../support/policies.ts';
import { findApplicationFailure } from '../support/summarize-failure.ts';
import { endOf } from './end-unfinished.ts';
import { recordFailures } from './patches.ts';
import type { StatusBoard } from './status-board.ts';

/**
 * Enters the last stage of a run that did not finish. Of a failed run, it shows and records why: one explanation for
 * status, Temporal UI and pages.
 * @returns the error with which the workflow ends.
 */
export async function endRun(board: StatusBoard, error: unknown): Promise<unknown> {
  const end = endOf(error);
  // Any other error fails the workflow task, which Temporal repeats: it ends no run.
  if (isCancellation(end) || !(end instanceof TemporalFailure)) {
    board.enter(isCancellation(end) ? 'cancelled' : 'failed');
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
  if (patched(recordFailures)) await record(board.runId, failure);
  return ApplicationFailure.create({ message, type: code, nonRetryable: true, details: [failure] });
}

/** Best effort: the run ends as failed in any case. */
async function record(runId: string, failure: RunFailure): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() => recording.recordFailure({ runId, failure }));
  } catch {
    // Status and Temporal UI show the failure without the file; the history shows the failed activity.
  }
}
