/** What the interruptions of a run cost. Pure: the workflow shows it while it runs, the report when it is over. */
import type { Attempt, Interruption, Ledger } from '../../../configs/schema/index.ts';

/** @param pausedSeconds how long a person had the training paused: nobody meant it to run then. */
export function buildLedger(attempts: readonly Attempt[], pausedSeconds: number): Ledger {
  const [first] = attempts;
  const last = attempts.at(-1);
  // Whoever lost its worker could count nothing; each count covers all that came before it.
  const counted = attempts.findLast(({ outcome }) => outcome !== 'worker-lost');
  const wallSeconds = first === undefined || last === undefined ? 0 : last.endedAt - first.startedAt;
  const { steppingSeconds = 0, productiveSeconds = 0, evaluationSeconds = 0 } = counted ?? {};
  const meantSeconds = wallSeconds - evaluationSeconds - pausedSeconds;
  return {
    interruptions: attempts.flatMap((attempt, index) =>
      attempt.outcome === 'finished' ? [] : [buildInterruption(attempt, attempts.slice(index + 1))],
    ),
    productiveSeconds,
    lostSeconds: steppingSeconds - productiveSeconds,
    evaluationSeconds,
    pausedSeconds,
    wallSeconds,
    goodput: counted === undefined || meantSeconds <= 0 ? null : Math.min(1, productiveSeconds / meantSeconds),
  };
}

function buildInterruption(attempt: Attempt, later: readonly Attempt[]): Interruption {
  const { trainerEndedAt, endedAt, outcome, failure, cause, toIteration } = attempt;
  const at = trainerEndedAt ?? endedAt;
  // Whoever lost its worker can say nothing of its trainer; the attempt that adopted that trainer does.
  const trainer = later.find((one) => one.outcome !== 'worker-lost');
  const adopted = outcome === 'worker-lost' && trainer?.adopted === true;
  const firstStepAt = adopted ? null : (trainer?.firstStepAt ?? null);
  const again = trainer?.fromIteration ?? toIteration;
  return {
    at,
    attempt: attempt.attempt,
    cause: cause?.split('\n', 1)[0] ?? outcome,
    class: failure?.class ?? outcome,
    detectionSeconds: trainerEndedAt === null ? null : Math.max(0, endedAt - trainerEndedAt),
    // Those that the next trainer had to do again.
    stepsLost: adopted || toIteration === null || again === null ? 0 : Math.max(0, toIteration - again),
    recoverySeconds: firstStepAt === null ? null : Math.max(0, firstStepAt - at),
  };
}
