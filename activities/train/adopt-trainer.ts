import type { RunFolder } from '../../configs/paths.ts';
import { RunPlan } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import { writeControl } from '../shared/trainer/control-file.ts';
import { hostTopology } from '../shared/trainer/host-topology.ts';
import { findLiveJob, stopJob, type RunningJob } from '../shared/trainer/trainer-process.ts';
import type { ClaimedRun } from './claim-run.ts';
import { publishRendezvous } from './rendezvous.ts';
import type { TrainingRequest } from './training-request.ts';

/**
 * Adopts the trainer that an earlier attempt left running; returns undefined if there is none. A trainer of another plan
 * is stopped: its workflow was terminated, and the run was started again with other settings.
 */
export async function adoptTrainer(
  { folder, job, fence }: ClaimedRun,
  { plan, attempt, control }: TrainingRequest,
): Promise<RunningJob | undefined> {
  const live = await findLiveJob(job);
  if (live === undefined) return undefined;
  if (!(await hasPlan(folder, plan))) {
    await stopJob(job);
    return undefined;
  }
  await writeControl(folder.train, control);
  if (hostTopology(plan) !== undefined) {
    const joined = { endpoint: '', id: '' }; // the ranks completed their rendezvous when the trainer started
    const trainerFence = live.owner.fence;
    await publishRendezvous(folder, { attempt, fence, trainerFence, torchrun: joined, resume: undefined });
  }
  return live;
}

/** Returns whether the trainer in this folder has the plan; also if its plan file is missing. */
async function hasPlan({ plan }: RunFolder, { planHash }: RunPlan): Promise<boolean> {
  const started = await readJson(plan, RunPlan.pick({ planHash: true }));
  return started === undefined || started.planHash === planHash;
}
