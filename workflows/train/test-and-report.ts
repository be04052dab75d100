import { patched } from '@temporalio/workflow';
import { formatCodeChanges } from '../../activities/shared/summary/format-code.ts';
import type { ReportRef } from '../../configs/schema/index.ts';
import { onLeader, mirroring, queuePriority, reporting, testing } from '../support/policies.ts';
import type { Notifier } from '../support/notify.ts';
import { dataFindings, type PreparedRun } from './prepare-run.ts';
import type { StatusBoard } from './status-board.ts';
import { repeatStep, type StepHost } from './repeat-step.ts';
import { stopTrainerOnError } from './stop-trainer-on-error.ts';
import { waitForStorage } from './wait-for-storage.ts';

interface RunTiming {
  /** Priority in the GPU queue, from 1 (first) to 5. */
  priority: number | undefined;
  /** Start of the workflow, in Unix seconds. */
  startedAt: number;
  /** Seconds that the training was paused. */
  pausedSeconds: number;
}

/** Runs the COCO test, exports the tested weights and writes the report of the whole run. */
export async function testAndReport(
  prepared: PreparedRun,
  board: StatusBoard,
  notices: Notifier,
  timing: RunTiming,
): Promise<ReportRef> {
  const { plan, dataset, weights } = prepared;
  const { priority, ...times } = timing;
  const host: StepHost = {
    notices,
    showNotice: board.showNotice,
    waitForStorage: (notice, seconds) => waitForStorage(plan, board, notice, seconds),
  };
  const repeat = <T>(name: string, work: () => Promise<T>) => repeatStep(host, name, work);
  board.enter('testing');
  const options = { priority: queuePriority(priority, 1), ...onLeader(plan) };
  // An evaluation has no attempts.
  const trained = board.attempts.at(-1)?.checkpointIteration ?? null;
  const metrics = await stopTrainerOnError(plan, board, () =>
    repeat('The COCO test', () => testing.runTest.executeWithOptions(options, [{ plan, priority, trained }])),
  );
  board.addSteps(metrics.outcome);

  board.enter('reporting');
  // Runs that began before the export existed have no detector.
  const detector = patched('export-detector')
    ? await repeat('The export of the detector', () =>
        testing.exportDetector.executeWithOptions(options, [
          { plan, metrics, trained, codeChanges: formatCodeChanges(board.attempts) },
        ]),
      )
    : undefined;
  const { checks, steps, attempts, decisions, epochChanges } = board;
  const material = {
    plan,
    dataset,
    weights,
    metrics,
    detector,
    checks: checks.filter(({ name }) => name !== dataFindings),
    steps: [...steps],
    attempts: [...attempts],
    decisions: [...decisions],
    epochChanges: [...epochChanges],
    ...times,
  };
  const report = await repeat('The report', () => reporting.writeReport(material));
  if (plan.input.artifacts.store !== 'local')
    await repeat('The upload of the run', () =>
      mirroring.mirrorRun.executeWithOptions(onLeader(plan), [plan, trained]),
    );
  board.finish(report);
  return report;
}
