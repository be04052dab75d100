import type { Attempt, StepOutcome } from '../../configs/schema/index.ts';
import { stepOutcome } from '../../activities/shared/summary/step-outcome.ts';

/** Whether training had anything left to do, going by what its attempts found and did. */
export function trainingOutcome(attempts: readonly Attempt[]): StepOutcome {
  const [first] = attempts;
  const from = first?.fromIteration ?? 0;
  const to = attempts.at(-1)?.toIteration ?? 0;
  const outcome = (hit: boolean, why: string) => stepOutcome('training', hit, why);
  if (from > 0 && from === to) return outcome(true, `all ${to} iterations of this plan are done in the run's folder`);
  if (first?.adopted === true) return outcome(false, 'a trainer of this plan was at work and was adopted');
  if (from === 0) return outcome(false, "there was no checkpoint of this plan in the run's folder");
  return outcome(
    false,
    `${to - from} of ${to} iterations were missing; ${first?.resumedFrom ?? 'a checkpoint'} was resumed`,
  );
}
