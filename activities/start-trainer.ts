import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runFolder } from '../configs/paths.ts';
import type { Orders, Quarantined, Rollback, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findResumption } from './lib/checkpoints.ts';
import { assertFence } from './lib/fence.ts';
import { handOnOrders } from './lib/orders-file.ts';
import { findLiveJob, startJob, type RunningJob } from './lib/trainer-process.ts';
import { gatherMaterial } from './gather-material.ts';
import { writeFileWhole } from './lib/whole-file.ts';

export interface TrainerStart {
  plan: RunPlan;
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
  dependencies: ActivityDependencies,
  { plan, orders, rollback }: TrainerStart,
  fence: number,
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
  const { stallSeconds } = plan.recovery;
  const running = await startJob(job, python, programs.train(plan, files, job, device), fence, stallSeconds);
  return { running, quarantined };
}
