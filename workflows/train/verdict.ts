/** Input and result of the decision after an attempt. */
import type { ErrorCode } from '../../configs/errors.ts';
import type { Attempt, Decision, TrainerControl, Rollback, RunPlan } from '../../configs/schema/index.ts';

export interface Situation {
  /** All attempts of this run, newest last. */
  attempts: readonly Attempt[];
  plan: Pick<RunPlan, 'recovery' | 'batchPerGpu' | 'recipe' | 'gpus'>;
  /** Control values of the newest attempt. */
  control: TrainerControl;
  /** Request of the user in the meantime. */
  request: 'nothing' | 'pause' | 'cancel';
  secondsSinceRequest: number;
  /** Time left at the speed of the newest attempt; absent if unknown. */
  etaSeconds?: number | null;
  /** Whether a run that has no other GPUs uses one again that failed twice, as long as training makes progress. */
  trustsGpus: boolean;
}

export interface Verdict extends Pick<Decision, 'next' | 'why' | 'change'> {
  /** Error code, if the run stops with a failure. */
  code?: ErrorCode;
  control?: TrainerControl;
  rollback?: Rollback | undefined;
  /** Failures of GPUs until now do not count any more. */
  trustsGpus?: boolean;
  /** Wait before the next attempt; grows while attempts make no progress. */
  waitSeconds: number;
}

export const retry = (why: string): Verdict => ({ next: 'retry', why, change: null, waitSeconds: 0 });

export const stop = (code: ErrorCode, why: string): Verdict => ({ ...retry(why), next: 'stop', code });

/** Returns whether an attempt wrote a checkpoint newer than the one it started from. */
export const madeProgress = ({ checkpointIteration, fromIteration }: Attempt): boolean =>
  checkpointIteration !== null && fromIteration !== null && checkpointIteration > fromIteration;

/**
 * Moves the start of each attempt to the newest checkpoint that the attempts before it knew. Steps that a trainer saved
 * unwatched then count as progress of the next attempt that reports checkpoints, even if that one started no trainer.
 */
export function startAtKnownCheckpoints(attempts: readonly Attempt[]): Attempt[] {
  let known: number | null = null;
  return attempts.map((attempt) => {
    const { fromIteration, checkpointIteration } = attempt;
    // A trainer that started earlier follows a rollback or a damaged checkpoint: newer ones no longer count.
    if (fromIteration !== null && (known === null || fromIteration < known)) known = fromIteration;
    const from = known;
    known = checkpointIteration ?? known;
    return { ...attempt, fromIteration: from };
  });
}

/**
 * Leaves out the attempts that met unusable storage or a full disk, for which the run waited: they say nothing about the
 * training, so they do not count towards the limit of another failure. Those that wrote a checkpoint stay.
 */
export function leaveOutWaits(attempts: readonly Attempt[]): Attempt[] {
  const newest = attempts.at(-1)?.failure?.reaction;
  return attempts.filter((attempt) => {
    const reaction = attempt.failure?.reaction;
    const isWait = reaction === 'wait-for-storage' || reaction === 'wait-for-space';
    return !isWait || reaction === newest || madeProgress(attempt);
  });
}
