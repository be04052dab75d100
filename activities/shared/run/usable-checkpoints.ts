import type { RunFolder } from '../../../configs/paths.ts';
import type { CheckpointManifest, RunPlan } from '../../../configs/schema/index.ts';
import { comparePlans, formatPlanChange, isAtEpochEnd } from './plan-changes.ts';
import { readArchivedPlan } from './plan-file.ts';
import { readWithoutSteps } from './progress-reader.ts';

interface UsableCheckpoints {
  /** Checkpoints that this plan may resume from, newest first. */
  usable: CheckpointManifest[];
  /** Reasons why checkpoints of other plans are not usable. */
  rejections: string[];
}

/** Selects the checkpoints that this plan may resume from, by their manifests only. */
export async function findUsable(
  folder: RunFolder,
  plan: RunPlan,
  manifests: readonly CheckpointManifest[],
): Promise<UsableCheckpoints> {
  const byPlan = [manifests.filter(({ planHash }) => planHash === plan.planHash)];
  const rejections: string[] = [];
  for (const planHash of new Set(manifests.map((manifest) => manifest.planHash))) {
    if (planHash === plan.planHash) continue;
    const ofPlan = manifests.filter((manifest) => manifest.planHash === planHash);
    const rejection = await findForbiddenChange(folder, plan, planHash);
    const events = rejection === undefined ? await readWithoutSteps(folder.train.progress) : [];
    const atEpochEnd = ofPlan.filter((manifest) => isAtEpochEnd(manifest, events));
    if (rejection !== undefined) rejections.push(rejection);
    else if (atEpochEnd.length === 0)
      rejections.push(`no checkpoint of plan ${short(planHash)} is at the end of an epoch`);
    else byPlan.push(atEpochEnd);
  }
  return { usable: mergeByFence(byPlan), rejections };
}

async function findForbiddenChange(folder: RunFolder, plan: RunPlan, oldHash: string): Promise<string | undefined> {
  const old = await readArchivedPlan(folder, oldHash);
  if (old === undefined) return `plan ${short(oldHash)} was not archived`;
  const forbidden = comparePlans(old, plan).filter(({ part }) => !plan.recovery.mayChange.includes(part));
  return forbidden.length === 0 ? undefined : forbidden.map(formatPlanChange).join(', ');
}

/** Sorts checkpoints of any plans, newest first. */
export function sortByRecency<T extends CheckpointOrder>(checkpoints: readonly T[]): T[] {
  const plans = [...new Set(checkpoints.map(({ planHash }) => planHash))];
  return mergeByFence(plans.map((hash) => checkpoints.filter(({ planHash }) => planHash === hash)));
}

type CheckpointOrder = Pick<CheckpointManifest, 'planHash' | 'fence' | 'iteration'>;

/**
 * Merges the checkpoints of several plans, newest first. Within one plan, more iterations are newer. Across plans,
 * iterations are not comparable, so the higher fence is newer: fences never decrease, unlike the clock.
 */
function mergeByFence<T extends CheckpointOrder>(byPlan: readonly T[][]): T[] {
  const rest = byPlan.map((ofPlan) => [...ofPlan].sort((a, b) => b.iteration - a.iteration));
  const merged: T[] = [];
  for (;;) {
    const newest = rest.toSorted((a, b) => (b[0]?.fence ?? -1) - (a[0]?.fence ?? -1))[0]?.shift();
    if (newest === undefined) return merged;
    merged.push(newest);
  }
}

const short = (planHash: string): string => planHash.slice(0, 12);
