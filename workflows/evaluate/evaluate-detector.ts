import { evaluationId, evaluationRun } from '../../configs/names.ts';
import type { ReportRef, RunInput } from '../../configs/schema/index.ts';
import { formatRunInput, formatReport } from '../train/format-run.ts';
import { endRun } from '../train/end-run.ts';
import { notifier, withNotifications, type Notifier } from '../support/notify.ts';
import { control } from '../support/policies.ts';
import { prepareRun } from '../train/prepare-run.ts';
import { codedFailure } from '../support/coded-failure.ts';
import { readInput } from '../support/read-input.ts';
import { StatusBoard } from '../train/status-board.ts';
import { testAndReport } from '../train/test-and-report.ts';

/**
 * Tests the detector that a training would start from, without training it. Shows within an hour that data, weights
 * and metrics are correct, before days of training. Takes the input of the training.
 * @throws ApplicationFailure, non-retryable, of a type in configs/errors.ts.
 */
export async function evaluateDetector(rawInput: unknown): Promise<ReportRef> {
  const input = readInput(rawInput, evaluationId);
  if (input.weights.detector === undefined)
    throw codedFailure(
      'InvalidInput',
      'weights: expected `detector`, got `backbone`. A backbone alone detects nothing, so it cannot be evaluated.',
    );
  const board = new StatusBoard(evaluationRun(input.name), input.recipe);
  const notices = notifier(input);
  return withNotifications(notices, `Evaluation of ${formatRunInput(input)}`, formatReport, async () => {
    try {
      return await evaluate(input, board, notices);
    } catch (error) {
      throw await endRun(board, error);
    }
  });
}

async function evaluate(input: RunInput, board: StatusBoard, notices: Notifier): Promise<ReportRef> {
  const startedAt = Date.now() / 1000;
  const prepared = await prepareRun(await control.resolvePlan(input, 'evaluation'), input, board, notices);
  await prepared.machinesChecked;
  return testAndReport(prepared, board, notices, { priority: input.priority, startedAt, pausedSeconds: 0 });
}
