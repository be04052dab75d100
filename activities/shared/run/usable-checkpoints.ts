import type { RunFolder } from '../../../configs/paths.ts';
import type { CheckpointManifest, RunPlan } from '../../../configs/schema/index.ts';
import { comparePlans, formatPlanChange, isAtEpochEnd } from './plan-changes.ts';
import { readArchivedPlan } from './plan-file.ts';
import { readProgress } from './progress-reader.ts';

export interface UsableCheckpoints {
  /** That a trainer of this plan may go on from, newest first. */
  usable: CheckpointManifest[];
  /** Why those of other plans are none of them. */
  refusals: string[];
}

/** Sorts manifests by whether this plan may go on from them; whether their files are whole is another question. */
export async function findUsable(
  folder: RunFolder,
  plan: RunPlan,
  manifests: readonly CheckpointManifest[],
): Promise<UsableCheckpoints> {
  const lines = [manifests.filter(({ planHash }) => planHash === plan.planHash)];
  const refusals: string[] = [];
  for (const planHash of new Set(manifests.map((manifest) => manifest.planHash))) {
    if (planHash === plan.planHash) continue;
    const line = manifests.filter((manifest) => manifest.planHash === planHash);
    const refusal = await findForbiddenChange(folder, plan, planHash);
    const events = refusal === undefined ? await readProgress(folder.train.progress) : [];
    const atEpochEnd = line.filter((manifest) => isAtEpochEnd(manifest, events));
    if (refusal !== undefined) refusals.push(refusal);
    else if (atEpochEnd.length === 0)
      refusals.push(`no checkpoint of plan ${short(planHash)} is at the end of an epoch`);
    else lines.push(atEpochEnd);
  }
  return { usable: mergeByFence(lines), refusals };
}

async function findForbiddenChange(folder: RunFolder, plan: RunPlan, oldHash: string): Promise<string | undefined> {
  const old = await readArchivedPlan(folder, oldHash);
  if (old === undefined) return `of plan ${short(oldHash)} no copy was kept`;
  const forbidden = comparePlans(old, plan).filter(({ part }) => !plan.recovery.mayChange.includes(part));
  return forbidden.length === 0 ? undefined : forbidden.map(formatPlanChange).join(', ');
}

/** Of any plans, newest first. */
export function sortByRecency<T extends Placed>(checkpoints: readonly T[]): T[] {
  const plans = [...new Set(checkpoints.map(({ planHash }) => planHash))];
  return mergeByFence(plans.map((hash) => checkpoints.filter(({ planHash }) => planHash === hash)));
}

type Placed = Pick<CheckpointManifest, 'planHash' | 'fence' | 'iteration'>;

/**
 * Within one plan more iterations are newer. Plans count their iterations differently, so between two of them the later
 * trainer is newer: fences grow over the whole life of a folder, whatever the clock does.
 */
function mergeByFence<T extends Placed>(lines: readonly T[][]): T[] {
  const rest = lines.map((line) => [...line].sort((a, b) => b.iteration - a.iteration));
  const merged: T[] = [];
  for (;;) {
    const newest = rest.toSorted((a, b) => (b[0]?.fence ?? -1) - (a[0]?.fence ?? -1))[0]?.shift();
    if (newest === undefined) return merged;
    merged.push(newest);
  }
}

const short = (planHash: string): string => planHash.slice(0, 12);
