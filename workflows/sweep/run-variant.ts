import {
  ChildWorkflowCancellationType,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { workflowId, workflowTypes } from '../../configs/names.ts';
import {
  variantInput,
  type ReportRef,
  type RunInput,
  type SweepInput,
  type SweepVariant,
} from '../../configs/schema/index.ts';
import { summarizeFailure } from '../support/summarize-failure.ts';
import { sweepRuns } from '../support/policies.ts';
import type { SweepBoard } from './sweep-board.ts';
import type { trainDetector } from '../train/train-detector.ts';

/** Runs one variant and records its report or failure. Never throws, so the other variants continue. */
export async function runVariant(sweep: SweepInput, variant: SweepVariant, board: SweepBoard): Promise<void> {
  try {
    const report = await startOrJoin(variantInput(sweep, variant), variant.name, sweep.name, board);
    if (report === null) return board.change(variant.name, { state: 'cancelled' });
    const { uri, bbox, segm } = report;
    board.change(variant.name, { state: 'done', result: { uri, bboxAP: bbox.AP, segmAP: segm.AP } });
  } catch (error) {
    if (isCancellation(error)) board.change(variant.name, { state: 'cancelled' });
    else board.change(variant.name, { state: 'failed', failure: summarizeFailure(error) });
  }
}

/** Starts the run of a variant, or joins it if it exists. Returns null if a joined run was cancelled. */
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
      // A failed or cancelled run resumes from its newest checkpoint; a finished one is not trained twice.
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      // Training survives the termination of a sweep; the next sweep joins it.
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    board.change(variant, { joined: true });
    return sweepRuns.joinRun(run);
  }
}
