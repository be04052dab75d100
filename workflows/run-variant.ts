import {
  ApplicationFailure,
  ChildWorkflowCancellationType,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  TemporalFailure,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { workflowId, workflowTypes } from '../configs/names.ts';
import { variantInput, type ReportRef, type RunInput, type SweepInput, type SweepVariant } from '../configs/schema.ts';
import { joining } from './policies.ts';
import type { SweepBoard } from './sweep-board.ts';
import type { trainDetector } from './train-detector.ts';

/** One variant from start to its report, or to why there is none. Never throws: the others go on whatever happens to it. */
export async function runVariant(sweep: SweepInput, variant: SweepVariant, board: SweepBoard): Promise<void> {
  try {
    const report = await startOrJoin(variantInput(sweep, variant), variant.name, sweep.name, board);
    if (report === null) return board.change(variant.name, { state: 'cancelled' });
    const { uri, bbox, segm } = report;
    board.change(variant.name, { state: 'done', result: { uri, bboxAP: bbox.AP, segmAP: segm.AP } });
  } catch (error) {
    if (isCancellation(error)) board.change(variant.name, { state: 'cancelled' });
    else board.change(variant.name, { state: 'failed', failure: describeFailure(error) });
  }
}

/** Null where a run that was joined was cancelled. */
async function startOrJoin(
  run: RunInput,
  variant: string,
  sweep: string,
  board: SweepBoard,
): Promise<ReportRef | null> {
  try {
    return await executeChild<typeof trainDetector>(workflowTypes.trainDetector, {
      workflowId: workflowId(run.name),
      args: [run],
      staticSummary: `${variant} of the sweep ${sweep}: ${run.recipe}, ${run.epochs} epochs`,
      // A failed or cancelled run goes on from its newest checkpoint; a finished one is not trained twice.
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      // Days of training outlive a sweep that was terminated: the next one joins them.
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    board.change(variant, { joined: true });
    return joining.joinRun(run);
  }
}

const longestMessage = 2000;

/** Below Temporal's own words the failure that the run ended with. */
function describeFailure(error: unknown): { code: string; message: string } {
  const cause = error instanceof TemporalFailure && !(error instanceof ApplicationFailure) ? error.cause : undefined;
  if (cause !== undefined) return describeFailure(cause);
  const code = error instanceof ApplicationFailure ? (error.type ?? 'Unexpected') : 'Unexpected';
  const message = error instanceof Error ? error.message : String(error);
  return { code, message: message.slice(0, longestMessage) };
}
