import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runFolder } from '../../configs/paths.ts';
import type { Orders, Quarantined, Rollback } from '../../configs/schema/index.ts';
import type { TrainDependencies } from './dependencies.ts';
import { findResumption } from '../shared/run/checkpoints.ts';
import { assertFence } from '../shared/run/fence.ts';
import { handOnOrders } from '../shared/trainer/orders-file.ts';
import type { GpuWaiting } from '../shared/trainer/start-job.ts';
import { leadingJob, trainsTogether } from '../shared/trainer/host-jobs.ts';
import { findLiveJob, type RunningJob } from '../shared/trainer/trainer-process.ts';
import { gatherMaterial } from '../inputs/gather-material.ts';
import { writeFileWhole } from '../shared/files/whole-file.ts';
import { callHosts } from './rendezvous.ts';
import { arrangeMeeting, startPart, type PartWish } from './start-part.ts';

export interface TrainerStart extends PartWish {
  /** Counted by the workflow over the whole run. */
  attempt: number;
  orders: Orders;
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
  waiting: GpuWaiting,
): Promise<StartedTrainer> {
  const { plan, attempt, orders, rollback } = start;
  const folder = runFolder(dependencies.home, plan.runId);
  const job = folder.train;
  const live = await findLiveJob(leadingJob(folder, plan));
  if (live !== undefined) {
    await handOnOrders(job, orders);
    const meeting = { endpoint: '', id: '' }; // over long ago
    const call = { attempt, fence, trainerFence: live.owner.fence, meeting, resume: undefined };
    if (trainsTogether(plan) !== undefined) await callHosts(folder, call);
    return { running: live, quarantined: [] };
  }

  const material = await gatherMaterial(dependencies, plan);
  const assertOurs = () => assertFence(job, fence);
  const { from, quarantined } = await findResumption({ folder, plan, rollback, assertOurs });
  const planHash = from?.manifest.planHash;
  const resume = from && { path: from.path, planHash: planHash === plan.planHash ? undefined : planHash };
  await assertOurs(); // hashing checkpoints took its time
  await mkdir(dirname(folder.plans(plan.planHash)), { recursive: true });
  await writeFileWhole(folder.plans(plan.planHash), JSON.stringify(plan, null, 2));
  await writeFileWhole(folder.plan, JSON.stringify(plan, null, 2));
  await handOnOrders(job, orders);
  const meeting = await arrangeMeeting(dependencies, plan, fence);
  if (meeting?.here !== undefined) await callHosts(folder, { attempt, fence, trainerFence: fence, meeting, resume });
  const part = { job: leadingJob(folder, plan), fence, material, resume, meeting };
  return { running: await startPart(dependencies, start, part, waiting), quarantined };
}
