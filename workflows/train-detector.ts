import { ApplicationFailure, isCancellation, patched, workflowInfo } from '@temporalio/workflow';
import type { ErrorCode } from '../configs/errors.ts';
import { workflowId } from '../configs/names.ts';
import { inputRefusal, parseRunInput } from '../configs/parse-input.ts';
import type { ReportRef, RunInput } from '../configs/schema.ts';
import { explainTraining } from './explain-training.ts';
import { Operator } from './operator.ts';
import { control, mirroring, queuePriority, testing, transfer } from './policies.ts';
import { StatusBoard } from './status-board.ts';
import { trainUntilFinished } from './train-until-finished.ts';

/** Runs begun before it have no pinned plan, no explained steps and no copy in a store. */
const pinnedPlanPatch = 'pinned-plan';

/**
 * The seed's job from data to report. Takes `unknown`, because any Temporal CLI may start it with anything.
 * @throws ApplicationFailure, non-retryable, of a type in configs/errors.ts.
 */
export async function trainDetector(rawInput: unknown): Promise<ReportRef> {
  const input = requireValid(rawInput);
  const board = new StatusBoard(input);
  try {
    return await runPipeline(input, board);
  } catch (error) {
    board.enter(isCancellation(error) ? 'cancelled' : 'failed');
    throw error;
  }
}

async function runPipeline(input: RunInput, board: StatusBoard): Promise<ReportRef> {
  const startedAt = Date.now() / 1000;
  const planned = await control.resolvePlan(input);
  const operator = new Operator(planned, board);

  board.enter('fetching');
  const [dataset, weights] = await Promise.all([transfer.fetchDataset(planned), transfer.fetchWeights(planned)]);
  const isPinned = patched(pinnedPlanPatch);
  const plan = isPinned ? await control.pinPlan({ plan: planned, dataset, weights }) : planned;
  if (isPinned) board.explain(planned.recipeOutcome, dataset.outcome, weights.outcome);

  board.enter('training');
  await trainUntilFinished(plan, board, operator, input.priority);
  if (isPinned) board.explain(explainTraining(board.attempts));

  board.enter('testing');
  const { priority } = input;
  const options = { priority: queuePriority(priority, 1) };
  const metrics = await testing.runTest.executeWithOptions(options, [{ plan, priority }]);
  if (isPinned) board.explain(metrics.outcome);

  board.enter('reporting');
  const { steps, attempts, decisions } = board;
  const report = await control.writeReport({
    ...{ plan, dataset, weights, metrics },
    steps: [...steps],
    attempts: [...attempts],
    decisions: [...decisions],
    startedAt,
    pausedSeconds: operator.pausedSeconds,
  });
  if (isPinned && plan.input.artifacts.store !== 'local') await mirroring.mirrorRun(plan);
  board.finish(report.uri, report.bbox.AP, report.segm.AP);
  return report;
}

/** A ZodError thrown here would fail the workflow task, which Temporal retries for ever: so it becomes a failure of the run. */
function requireValid(rawInput: unknown): RunInput {
  const parsed = parseRunInput(rawInput);
  if (!parsed.ok) throw refuse(inputRefusal(parsed.problems));
  // Temporal lets one workflow of an id run at a time: so one trainer works in a run's folder.
  const id = workflowId(parsed.input.name);
  if (workflowInfo().workflowId !== id) {
    throw refuse(
      `Expected the workflow id of the run "${parsed.input.name}" to be ${id}, got ${workflowInfo().workflowId}.`,
    );
  }
  return parsed.input;
}

const refuse = (message: string): ApplicationFailure => {
  const code: ErrorCode = 'InvalidInput';
  return ApplicationFailure.nonRetryable(message, code);
};
