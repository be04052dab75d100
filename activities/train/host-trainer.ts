import type { JobFolder } from '../../configs/paths.ts';
import { TrainerExit, TrainerOwner, type HostResult, type Rendezvous } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import { assertFence, raiseFence } from '../shared/run/fence.ts';
import { findLiveJob, stopJob, type JobOutcome, type RunningJob } from '../shared/trainer/trainer-process.ts';
import { explainOutcome } from './failures/explain-failure.ts';

/**
 * Claims this host's job for a rendezvous and adopts its trainer.
 * @returns the running job, or its result if it has ended; undefined if no trainer has started yet.
 */
export async function adoptHostTrainer(
  job: JobFolder,
  { fence, trainerFence }: Rendezvous,
): Promise<RunningJob | HostResult | undefined> {
  await raiseFence(job, fence);
  await assertFence(job, fence);
  const live = await findLiveJob(job);
  if (live?.owner.fence === trainerFence) return live;
  // The live job belongs to an earlier attempt, whose leader has ended.
  if (live !== undefined) await stopJob(job);
  const exit = await readJson(job.exit, TrainerExit);
  if (exit?.fence === trainerFence) return summarizeHostTrainer({ exit });
  const owner = await readJson(job.owner, TrainerOwner);
  if (owner?.fence === trainerFence) return summarizeHostTrainer({ supervisorLost: owner });
  return trainerFence === fence
    ? undefined
    : { outcome: 'lost', cause: 'The trainer on this host ended without writing exit.json.' };
}

export const summarizeHostTrainer = (outcome: JobOutcome): HostResult => ({
  outcome: 'exit' in outcome ? outcome.exit.reason : 'lost',
  cause: explainOutcome(outcome),
});
