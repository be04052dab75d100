import { ApplicationFailure, isCancellation, patched, workflowInfo } from '@temporalio/workflow';
import type { ErrorCode } from '../configs/errors.ts';
import { workflowId } from '../configs/names.ts';
import { inputRefusal, parseRunInput } from '../configs/parse-input.ts';
import type { Check, ReportRef, RunInput } from '../configs/schema.ts';
import { explainTraining } from './explain-training.ts';
import { Operator } from './operator.ts';
import { control, inspection, mirroring, queuePriority, testing, transfer } from './policies.ts';
import { StatusBoard } from './status-board.ts';
import { trainUntilFinished } from './train-until-finished.ts';

/** Runs begun before it have no pinned plan, no explained steps and no copy in a store. */
const pinnedPlanPatch = 'pinned-plan';
/** Runs begun before it had no dry run. */
const preflightPatch = 'preflight';

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

  const isChecked = patched(preflightPatch);
  if (isChecked) requireSound(await control.checkPlan(planned), input, board);
  const inspected = isChecked
    ? inspection.checkMachine(planned).then((checks) => requireSound(checks, input, board))
    : Promise.resolve();

  board.enter('fetching');
  const fetched = Promise.all([transfer.fetchDataset(planned), transfer.fetchWeights(planned)]);
  // A machine that cannot do it ends the run before gigabytes came; one that is busy with another run keeps nobody from fetching.
  const [dataset, weights] = await Promise.race([fetched, inspected.then(() => fetched)]);
  const isPinned = patched(pinnedPlanPatch);
  const plan = isPinned ? await control.pinPlan({ plan: planned, dataset, weights }) : planned;
  if (isPinned) board.explain(planned.recipeOutcome, dataset.outcome, weights.outcome);

  board.enter('training');
  await inspected;
  await trainUntilFinished(plan, board, operator, input.priority);
  if (isPinned) board.explain(explainTraining(board.attempts));

  board.enter('testing');
  const { priority } = input;
  const options = { priority: queuePriority(priority, 1) };
  const metrics = await testing.runTest.executeWithOptions(options, [{ plan, priority }]);
  if (isPinned) board.explain(metrics.outcome);

  board.enter('reporting');
  const { checks, steps, attempts, decisions } = board;
  const report = await control.writeReport({
    ...{ plan, dataset, weights, metrics },
    checks: [...checks],
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

/** What would fail after hours is found before the first of them. */
function requireSound(checks: Check[], { force }: RunInput, board: StatusBoard): void {
  board.check(checks);
  const stops = checks.filter(({ verdict }) => verdict === 'stop');
  if (stops.length === 0 || force) return;
  const lines = stops.map(({ about, says, next }) => `- ${about}: ${says}${next === null ? '' : `. ${next}`}`);
  throw refuse(lines.join('\n'), 'PlanStopped');
}

const refuse = (message: string, code: ErrorCode = 'InvalidInput'): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, code);
