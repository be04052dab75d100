import type { Fingerprint, RunPlan } from '../../configs/schema/index.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { formatPlanParts } from '../shared/run/plan-changes.ts';

/** Computes a fingerprint of everything that determines the trained weights, including the trainer code. */
export function computeFingerprint(plan: RunPlan): Fingerprint {
  const parts = { ...formatPlanParts(plan), 'trainer code': plan.versions.trainerCode };
  return { sha256: contentKey([plan.planHash, plan.versions.trainerCode]), parts };
}

/** Formats the change, such as `changed: dataset (was …, is …)`. @returns undefined if nothing changed. */
export function formatChange(before: Fingerprint | undefined, now: Fingerprint): string | undefined {
  if (before === undefined) return 'first training of this model';
  if (before.sha256 === now.sha256) return undefined;
  const names = [...new Set([...Object.keys(before.parts), ...Object.keys(now.parts)])];
  const changes = names
    .filter((name) => before.parts[name] !== now.parts[name])
    .map((name) => `${name} (was ${before.parts[name] ?? 'absent'}, is ${now.parts[name] ?? 'absent'})`);
  return `changed: ${changes.join('; ') || 'the plan'}`;
}
