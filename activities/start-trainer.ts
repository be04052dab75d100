import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runFolder } from '../configs/paths.ts';
import type { Orders, Quarantined, Rollback, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findResumption } from './lib/checkpoints/checkpoints.ts';
import { assertFence } from './lib/trainer/fence.ts';
import { handOnOrders } from './lib/trainer/orders-file.ts';
import { startJob, type GpuWaiting } from './lib/trainer/start-job.ts';
import { findLiveJob, type RunningJob } from './lib/trainer/trainer-process.ts';
import { gatherMaterial } from './gather-material.ts';
import { trainingWish } from './gpu-wish.ts';
import { writeFileWhole } from './lib/files/whole-file.ts';

export interface TrainerStart {
  plan: RunPlan;
  orders: Orders;
  rollback: Rollback | null;
  /** Since when the run asks for GPUs, Unix seconds: since now unless given. */
  queuedSince?: number;
  /** Of 1 to 5 the lower goes first where runs wait for GPUs; 3 unless given. */
  priority?: number | undefined;
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
  dependencies: ActivityDependencies,
  { plan, orders, rollback, queuedSince, priority }: TrainerStart,
  fence: number,
  waiting: GpuWaiting,
): Promise<StartedTrainer> {
  const { home, recipesFolder, python, programs, device } = dependencies;
  const folder = runFolder(home, plan.runId);
  const job = folder.train;
  const live = await findLiveJob(job);
  if (live !== undefined) {
    await handOnOrders(job, orders);
    return { running: live, quarantined: [] };
  }

  const { dataset, weights } = await gatherMaterial(dependencies, plan);
  const assertOurs = () => assertFence(job, fence);
  const { from, quarantined } = await findResumption({ folder, plan, rollback, assertOurs });
  const planHash = from?.manifest.planHash;
  const resume = from && { path: from.path, planHash: planHash === plan.planHash ? undefined : planHash };
  await assertOurs(); // hashing checkpoints took its time
  await mkdir(dirname(folder.plans(plan.planHash)), { recursive: true });
  await writeFileWhole(folder.plans(plan.planHash), JSON.stringify(plan, null, 2));
  await writeFileWhole(folder.plan, JSON.stringify(plan, null, 2));
  await handOnOrders(job, orders);
  const files = {
    plan: folder.plan,
    recipe: `${recipesFolder}/${plan.recipe.name}.py`,
    data: dataset.root,
    weights: weights.path,
    resume,
  };
  const program = programs.train(plan, files, job, device);
  const gpus = trainingWish(dependencies, plan, { queuedSince, priority });
  const stall = plan.recovery.stallSeconds;
  const running = await startJob({ job, python, program, fence, stall, gpus }, waiting);
  return { running, quarantined };
}
