/** Goodput ledger: what the interruptions of a run cost. The workflow shows it during the run, the report afterwards. */
import type { Attempt, Interruption, Ledger } from '../../../configs/schema/index.ts';

/** @param pausedSeconds how long the user paused the training, which does not reduce goodput. */
export function buildLedger(attempts: readonly Attempt[], pausedSeconds: number): Ledger {
  const [first] = attempts;
  const last = attempts.at(-1);
  // An attempt that lost its worker may have no counts. The counts of each other attempt include all earlier ones.
  const counted = attempts.findLast((one) => one.outcome !== 'worker-lost' || one.steppingSeconds > 0);
  const wallSeconds = first === undefined || last === undefined ? 0 : last.endedAt - first.startedAt;
  const { steppingSeconds = 0, productiveSeconds = 0, evaluationSeconds = 0 } = counted ?? {};
  const scheduledSeconds = wallSeconds - evaluationSeconds - pausedSeconds;
  return {
    interruptions: attempts.flatMap((attempt, index) =>
      attempt.outcome === 'finished' ? [] : [buildInterruption(attempt, attempts.slice(index + 1))],
    ),
    productiveSeconds,
    lostSeconds: steppingSeconds - productiveSeconds,
    evaluationSeconds,
    pausedSeconds,
    wallSeconds,
    goodput: counted === undefined || scheduledSeconds <= 0 ? null : Math.min(1, productiveSeconds / scheduledSeconds),
  };
}

function buildInterruption(attempt: Attempt, later: readonly Attempt[]): Interruption {
  const { trainerEndedAt, endedAt, outcome, failure, cause, toIteration } = attempt;
  const at = trainerEndedAt ?? endedAt;
  // An attempt that lost its worker reports nothing about its trainer; the attempt that adopted the trainer does.
  const next = later.find((one) => one.outcome !== 'worker-lost');
  const adopted = outcome === 'worker-lost' && next?.adopted === true;
  const firstStepAt = adopted ? null : (next?.firstStepAt ?? null);
  const resumedIteration = next?.fromIteration ?? toIteration;
  return {
    at,
    attempt: attempt.attempt,
    cause: cause?.split('\n', 1)[0] ?? outcome,
    class: failure?.class ?? outcome,
    detectionSeconds: trainerEndedAt === null ? null : Math.max(0, endedAt - trainerEndedAt),
    // Steps that the next trainer repeats.
    stepsLost:
      adopted || toIteration === null || resumedIteration === null ? 0 : Math.max(0, toIteration - resumedIteration),
    recoverySeconds: firstStepAt === null ? null : Math.max(0, firstStepAt - at),
  };
}
