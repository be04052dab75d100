import { trainingGpus } from '../../configs/schema/plan-hosts.ts';
import { prepareInputs } from '../inputs/prepare-inputs.ts';
import { findResumePoint, type ResumePoint } from '../shared/run/checkpoints.ts';
import { archivePlan, writePlan } from '../shared/run/plan-file.ts';
import { requireNothingSaved } from '../shared/run/saved-steps.ts';
import { writeControl } from '../shared/trainer/control-file.ts';
import type { ClaimedRun } from './claim-run.ts';
import type { TrainDependencies } from './dependencies.ts';
import type { GpuWatch } from './gpu-watch.ts';
import { endOrphans } from './kill-orphans.ts';
import { launchOnHost, type HostLaunch } from './launch-on-host.ts';
import { arrangeRendezvous, publishRendezvous } from './rendezvous.ts';
import type { TrainingRequest } from './training-request.ts';

export interface StartedTrainer {
  running: Awaited<ReturnType<typeof launchOnHost>>;
  quarantined: ResumePoint['quarantined'];
}

/**
 * Starts a trainer that resumes from the newest intact checkpoint.
 * @throws CheckpointsLostError when steps were saved, but no checkpoint is usable.
 */
export async function startTrainer(
  dependencies: TrainDependencies,
  { folder, job, fence, assertFence }: ClaimedRun,
  request: TrainingRequest,
  gpuWatch: GpuWatch,
  gpuWait: HostLaunch['gpuWait'],
): Promise<StartedTrainer> {
  const { plan, attempt, control, rollback, savedIteration = null } = request;
  const inputs = await prepareInputs(dependencies, plan);
  // Ranks save when their supervisor dies, so the newest checkpoint is known only after they have ended.
  await endOrphans(job);
  const { from, quarantined } = await findResumePoint({ folder, plan, rollback, assertFence });
  if (from === undefined) await requireNothingSaved({ job: folder.train, plan, rollback, savedIteration, quarantined });
  const planHash = from?.manifest.planHash;
  const resume = from && { path: from.path, planHash: planHash === plan.planHash ? undefined : planHash };
  const without = await gpuWatch.findUnusable(gpuWait.signal);
  await assertFence(); // hashing checkpoints takes minutes
  await archivePlan(folder, plan);
  await writePlan(folder, plan);
  await writeControl(folder.train, control);
  const rendezvous = await arrangeRendezvous(dependencies, plan, fence);
  if (rendezvous?.here !== undefined) {
    await publishRendezvous(folder, { attempt, fence, trainerFence: fence, torchrun: rendezvous, resume });
  }
  const launch = { job, fence, inputs, resume, rendezvous, gpus: trainingGpus(plan, control), without, gpuWait };
  return { running: await launchOnHost(dependencies, request, launch), quarantined };
}
