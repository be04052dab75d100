import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runFolder } from '../../configs/paths.ts';
import type { TrainerControl, Quarantined, Rollback } from '../../configs/schema/index.ts';
import type { TrainDependencies } from './dependencies.ts';
import { findResumePoint } from '../shared/run/checkpoints.ts';
import { assertFence } from '../shared/run/fence.ts';
import { writeControl } from '../shared/trainer/control-file.ts';
import type { GpuWaitListener } from '../shared/trainer/start-job.ts';
import { leaderJob, hostTopology } from '../shared/trainer/host-topology.ts';
import { findLiveJob, type RunningJob } from '../shared/trainer/trainer-process.ts';
import { prepareInputs } from '../inputs/prepare-inputs.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import { publishRendezvous } from './rendezvous.ts';
import { arrangeRendezvous, launchOnHost, type LaunchRequest } from './launch-on-host.ts';

export interface TrainerStart extends LaunchRequest {
  /** Counted by the workflow over the whole run. */
  attempt: number;
  control: TrainerControl;
  rollback: Rollback | null;
}

export interface StartedTrainer {
  running: RunningJob;
  quarantined: Quarantined[];
}

/**
 * The trainer that runs, or else a new one that goes on from the newest checkpoint that can be trusted. On another machine
 * than before, that one comes from the artifact store, and data and weights from where they came from.
 */
export async function adoptOrStartTrainer(
  dependencies: TrainDependencies,
  start: TrainerStart,
  fence: number,
  waiting: GpuWaitListener,
): Promise<StartedTrainer> {
  const { plan, attempt, control: orders, rollback } = start;
  const folder = runFolder(dependencies.home, plan.runId);
  const job = folder.train;
  const live = await findLiveJob(leaderJob(folder, plan));
  if (live !== undefined) {
    await writeControl(job, orders);
    const meeting = { endpoint: '', id: '' }; // over long ago
    const call = { attempt, fence, trainerFence: live.owner.fence, meeting, resume: undefined };
    if (hostTopology(plan) !== undefined) await publishRendezvous(folder, call);
    return { running: live, quarantined: [] };
  }

  const material = await prepareInputs(dependencies, plan);
  const assertOurs = () => assertFence(job, fence);
  const { from, quarantined } = await findResumePoint({ folder, plan, rollback, assertOurs });
  const planHash = from?.manifest.planHash;
  const resume = from && { path: from.path, planHash: planHash === plan.planHash ? undefined : planHash };
  await assertOurs(); // hashing checkpoints took its time
  await mkdir(dirname(folder.plans(plan.planHash)), { recursive: true });
  await writeFileAtomic(folder.plans(plan.planHash), JSON.stringify(plan, null, 2));
  await writeFileAtomic(folder.plan, JSON.stringify(plan, null, 2));
  await writeControl(job, orders);
  const meeting = await arrangeRendezvous(dependencies, plan, fence);
  if (meeting?.here !== undefined)
    await publishRendezvous(folder, { attempt, fence, trainerFence: fence, meeting, resume });
  const part = { job: leaderJob(folder, plan), fence, material, resume, meeting };
  return { running: await launchOnHost(dependencies, start, part, waiting), quarantined };
}
