import type { ReportRef } from '../../configs/schema/index.ts';
import { control, onLeader, mirroring, queuePriority, testing } from '../support/policies.ts';
import type { PreparedRun } from './prepare-run.ts';
import { stopOnUnexpectedResult } from './stop-on-unexpected-result.ts';
import type { StatusBoard } from './status-board.ts';

interface RunTiming {
  /** Of 1 to 5 the lower goes first where runs wait for GPUs. */
  priority: number | undefined;
  /** When the workflow began; seconds since the epoch. */
  startedAt: number;
  /** How long a person had the training paused. */
  pausedSeconds: number;
}

/** The COCO test, and the report of everything that went before. */
export async function testAndReport(prepared: PreparedRun, board: StatusBoard, course: RunTiming): Promise<ReportRef> {
  const { plan, dataset, weights } = prepared;
  const { priority, ...times } = course;
  board.enter('testing');
  const options = { priority: queuePriority(priority, 1), ...onLeader(plan) };
  const metrics = await stopOnUnexpectedResult(plan, () =>
    testing.runTest.executeWithOptions(options, [{ plan, priority }]),
  );
  board.addSteps(metrics.outcome);

  board.enter('reporting');
  const { checks, steps, attempts, decisions } = board;
  const report = await control.writeReport({
    plan,
    dataset,
    weights,
    metrics,
    checks: [...checks],
    steps: [...steps],
    attempts: [...attempts],
    decisions: [...decisions],
    ...times,
  });
  if (plan.input.artifacts.store !== 'local') await mirroring.mirrorRun.executeWithOptions(onLeader(plan), [plan]);
  board.finish(report.uri, report.bbox.AP, report.segm.AP);
  return report;
}
