import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RunFolder } from '../../../configs/paths.ts';
import { RunPlan } from '../../../configs/schema/index.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';
import { readJson } from '../files/json-file.ts';

/** Writes the plan that the next trainer of this run reads. */
export const writePlan = (folder: RunFolder, plan: RunPlan): Promise<void> =>
  writeFileAtomic(folder.plan, planText(plan));

/** Returns the sha256 by which a trainer notices that the file was changed after it was written. */
export const planFileSha256 = (plan: RunPlan): string => createHash('sha256').update(planText(plan)).digest('hex');

const planText = (plan: RunPlan): string => JSON.stringify(plan, null, 2);

/** Archives the plan under its hash: a later plan is compared with it before it uses this plan's checkpoints. */
export async function archivePlan(folder: RunFolder, plan: RunPlan): Promise<void> {
  const path = folder.plans(plan.planHash);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, planText(plan));
}

/** Reads an archived plan; undefined if this run did not archive one with that hash. */
export const readArchivedPlan = (folder: RunFolder, planHash: string): Promise<RunPlan | undefined> =>
  readJson(folder.plans(planHash), RunPlan);
