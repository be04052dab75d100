import { workflowId } from '../../configs/names.ts';
import type { ReportRef, RunInput } from '../../configs/schema/index.ts';
import { formatRunInput, formatReport } from './format-run.ts';
import { trainingOutcome } from './training-outcome.ts';
import { endRun } from './end-run.ts';
import { notifier, withNotifications, type Notifier } from '../support/notify.ts';
import { ControlHandlers } from './control-handlers.ts';
import { control } from '../support/policies.ts';
import { prepareRun } from './prepare-run.ts';
import { readInput } from '../support/read-input.ts';
import { StatusBoard } from './status-board.ts';
import { gpuNotifier } from './gpu-notifier.ts';
import { problemNotifier } from './problem-notifier.ts';
import { testAndReport } from './test-and-report.ts';
import { trainUntilFinished } from './train-until-finished.ts';

/**
 * Trains, tests and reports a detector. Takes `unknown`, because any Temporal client may start it with any input.
 * @throws ApplicationFailure, non-retryable, of a type in configs/errors.ts.
 */
export async function trainDetector(rawInput: unknown): Promise<ReportRef> {
  const input = readInput(rawInput, workflowId);
  const board = new StatusBoard(input.name, input.recipe);
  const notices = notifier(input);
  return withNotifications(notices, formatRunInput(input), formatReport, async () => {
    try {
      return await runPipeline(input, board, notices);
    } catch (error) {
      throw await endRun(board, error);
    }
  });
}

async function runPipeline(input: RunInput, board: StatusBoard, notices: Notifier): Promise<ReportRef> {
  const startedAt = Date.now() / 1000;
  const planned = await control.resolvePlan(input);
  const controls = new ControlHandlers(planned, board);
  const prepared = await prepareRun(planned, input, board, notices);

  board.enter('training');
  const { priority } = input;
  const onVerdict = problemNotifier(board, notices);
  board.onGpuHealth = gpuNotifier(notices);
  const finish = () => {
    if (!board.steps.some(({ step }) => step === 'training')) board.addSteps(trainingOutcome(board.attempts));
    return testAndReport(prepared, board, notices, { priority, startedAt, pausedSeconds: controls.pausedSeconds });
  };
  return trainUntilFinished(prepared, board, controls, { priority, onVerdict, finish });
}
