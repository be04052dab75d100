import type { Attempt, StepOutcome } from '../../configs/schema/index.ts';
import { stepOutcome } from '../../activities/shared/summary/step-outcome.ts';

/** Returns whether training was already complete, and why, from the record of its attempts. */
export function trainingOutcome(attempts: readonly Attempt[]): StepOutcome {
  const [first] = attempts;
  const from = first?.fromIteration ?? 0;
  const to = attempts.at(-1)?.toIteration ?? 0;
  const outcome = (hit: boolean, why: string) => stepOutcome('training', hit, why);
  if (from > 0 && from === to) return outcome(true, `all ${to} iterations of this plan were already done`);
  if (first?.adopted === true) return outcome(false, 'a running trainer of this plan was adopted');
  if (from === 0) return outcome(false, 'the run folder has no checkpoint of this plan');
  return outcome(
    false,
    `${to - from} of ${to} iterations were missing; resumed from ${first?.resumedFrom ?? 'a checkpoint'}`,
  );
}
