import { writeControl } from '../shared/trainer/control-file.ts';
import { hostTopology } from '../shared/trainer/host-topology.ts';
import { findLiveJob, type RunningJob } from '../shared/trainer/trainer-process.ts';
import type { ClaimedRun } from './claim-run.ts';
import { publishRendezvous } from './rendezvous.ts';
import type { TrainingRequest } from './training-request.ts';

/** Adopts the trainer that an earlier attempt left running; returns undefined if there is none. */
export async function adoptTrainer(
  { folder, job, fence }: ClaimedRun,
  { plan, attempt, control }: TrainingRequest,
): Promise<RunningJob | undefined> {
  const live = await findLiveJob(job);
  if (live === undefined) return undefined;
  await writeControl(folder.train, control);
  if (hostTopology(plan) !== undefined) {
    const joined = { endpoint: '', id: '' }; // the ranks completed their rendezvous when the trainer started
    const trainerFence = live.owner.fence;
    await publishRendezvous(folder, { attempt, fence, trainerFence, torchrun: joined, resume: undefined });
  }
  return live;
}
