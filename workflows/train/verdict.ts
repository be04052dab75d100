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
}

export interface Verdict extends Pick<Decision, 'next' | 'why' | 'change'> {
  /** Error code, if the run stops with a failure. */
  code?: ErrorCode;
  control?: TrainerControl;
  rollback?: Rollback | undefined;
  /** Wait before the next attempt; grows while attempts make no progress. */
  waitSeconds: number;
}

export const retry = (why: string): Verdict => ({ next: 'retry', why, change: null, waitSeconds: 0 });

export const stop = (code: ErrorCode, why: string): Verdict => ({ ...retry(why), next: 'stop', code });

/** Returns whether an attempt wrote a checkpoint newer than the one it started from. */
export const madeProgress = ({ checkpointIteration, fromIteration }: Attempt): boolean =>
  checkpointIteration !== null && fromIteration !== null && checkpointIteration > fromIteration;
