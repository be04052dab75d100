import { runFolder, type JobFolder, type RunFolder } from '../../configs/paths.ts';
import { restoreFromStore } from '../mirror/mirror.ts';
import { assertFence, raiseFence } from '../shared/run/fence.ts';
import { acquireRunFence } from '../shared/temporal/workflow-run.ts';
import { leaderJob } from '../shared/trainer/host-topology.ts';
import type { TrainDependencies } from './dependencies.ts';
import type { TrainingRequest } from './training-request.ts';

/** A run folder that one attempt has fenced. */
export interface ClaimedRun {
  folder: RunFolder;
  /** Job folder of the supervisor; the leader's if several hosts train together. */
  job: JobFolder;
  fence: number;
  /** @throws CodedError StaleAttempt when a newer attempt holds the fence. */
  assertFence: () => Promise<void>;
}

/**
 * Restores what this machine lacks of the run, then acquires a fence that makes all older attempts stale.
 * @throws CodedError StaleAttempt when this attempt is older than the holder of the fence.
 */
export async function claimRun(
  dependencies: TrainDependencies,
  { plan, attempt, rollback, lastFence = 0 }: TrainingRequest,
): Promise<ClaimedRun> {
  await restoreFromStore(dependencies, plan, rollback);
  const folder = runFolder(dependencies.home, plan.runId);
  const job = leaderJob(folder, plan);
  await raiseFence(folder.train, lastFence);
  const fence = await acquireRunFence(folder.train, { attempt });
  await raiseFence(job, fence);
  return { folder, job, fence, assertFence: () => assertFence(folder.train, fence) };
}
