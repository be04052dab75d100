import { CancellationScope, isCancellation, patched } from '@temporalio/workflow';
import { hostsOf } from '../../configs/schema/plan-hosts.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import { hasCode } from '../support/coded-failure.ts';
import { onHost, stopping } from '../support/policies.ts';
import { adoptAfterErrors, lookPastFailedStarts } from './patches.ts';
import type { StatusBoard } from './status-board.ts';

/**
 * Runs work that trains or tests. An error ends the run, and its trainer may still be running without a watcher, so it is
 * asked to save and stop first. A cancelled activity has stopped its trainer itself, unless its worker was lost.
 */
export async function stopTrainerOnError<T>(plan: RunPlan, board: StatusBoard, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (mayLeaveTrainer(error, board)) await stopTrainer(plan, board);
    throw error;
  }
}

function mayLeaveTrainer(error: unknown, board: StatusBoard): boolean {
  if (hasCode(error, 'UnexpectedResult')) return true;
  if (isCancellation(error) && !lostItsWatch(board)) return false;
  return patched(adoptAfterErrors);
}

/** Returns whether an attempt ended before its trainer, which may still be running. */
export function lostItsWatch({ attempts }: StatusBoard): boolean {
  if (attempts.at(-1)?.outcome === 'worker-lost') return true;
  // An attempt that could not start saw no end of an earlier trainer.
  const last = attempts.findLast(({ outcome, trainerEndedAt }) => outcome === 'worker-lost' || trainerEndedAt !== null);
  return last?.outcome === 'worker-lost' && patched(lookPastFailedStarts);
}

/** Asks all trainers of the run to save and stop, and waits until they have. A host that does not answer is named. */
export const stopTrainer = (plan: RunPlan, board: StatusBoard): Promise<void> =>
  CancellationScope.nonCancellable(async () => {
    const hosts = hostsOf(plan);
    const places = hosts.length === 0 ? [undefined] : hosts;
    const stopOn = async (host: string | undefined): Promise<string | undefined> => {
      const options = host === undefined ? {} : onHost(host);
      try {
        await stopping.stopJobs.executeWithOptions(options, [{ runId: plan.runId }]);
        return undefined;
      } catch {
        // The error of the run counts; the history shows the failed activity.
        return host ?? 'the GPU worker';
      }
    };
    const silent = (await Promise.all(places.map(stopOn))).filter((host) => host !== undefined);
    board.leaveTrainerOn(silent);
  });
