import type { Fingerprint, RunPlan } from '../../configs/schema/index.ts';
import { formatTrainerVersion, trainedBy } from '../../configs/trainer-versions.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { formatPlanParts } from '../shared/run/plan-changes.ts';

/** Names of the part for the trainer: earlier versions of everswin recorded a hash of its files. */
const [versionPart, hashPart] = ['trainer version', 'trainer code'];

/** Computes a fingerprint of everything that determines the trained weights, including the version of the trainer. */
export function computeFingerprint(plan: RunPlan): Fingerprint {
  const { trainer, trainerCode } = plan.versions;
  const isEarlier = trainer === undefined;
  const code = isEarlier ? trainerCode : formatTrainerVersion(plan.versions, trainedBy);
  const parts = { ...formatPlanParts(plan), [isEarlier ? hashPart : versionPart]: code };
  return { sha256: contentKey([plan.planHash, code]), parts };
}

/**
 * Returns the fingerprint of the last training as this version would have recorded it. The hash of an earlier version
 * says nothing about results, so its trainer counts as version 1: an upgrade alone trains nothing.
 */
export function translateEarlier(before: Fingerprint, plan: RunPlan): Fingerprint {
  const { [hashPart]: code, ...parts } = before.parts;
  if (code === undefined || plan.versions.trainer === undefined) return before;
  const first = computeFingerprint({ ...plan, versions: { ...plan.versions, trainer: {} } });
  const isSamePlan = before.sha256 === contentKey([plan.planHash, code]);
  return isSamePlan ? first : { ...before, parts: { ...parts, [versionPart]: first.parts[versionPart] ?? '' } };
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
