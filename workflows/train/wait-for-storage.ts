import { sleep } from '@temporalio/workflow';
import type { RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { diskSpace, onLeader } from '../support/policies.ts';
import type { StatusBoard } from './status-board.ts';

/**
 * Waits until the folder of the run can be read and written, and `seconds` more: what failed may be elsewhere, such as a
 * file of the data set. Shows the notice meanwhile.
 */
export async function waitForStorage(
  plan: RunPlan,
  board: StatusBoard,
  notice: string,
  seconds: number,
): Promise<void> {
  board.showNotice(notice);
  const request = { runId: plan.runId, bytes: 0, isEvaluation: isEvaluation(plan) };
  await diskSpace.waitForSpace.executeWithOptions(onLeader(plan), [request]);
  if (seconds > 0) await sleep(seconds * 1000, { summary: 'storage that failed' });
  board.showNotice(null);
}
