/** The vocabulary of decisions: what they are made from, and what they say. */
import type { ErrorCode } from '../../configs/errors.ts';
import type { Attempt, Decision, TrainerControl, Rollback, RunPlan } from '../../configs/schema/index.ts';

export interface Situation {
  /** All of this run, the newest last. */
  attempts: readonly Attempt[];
  plan: Pick<RunPlan, 'recovery' | 'batchPerGpu' | 'recipe'>;
  /** Under which the newest attempt ran. */
  control: TrainerControl;
  /** What a person asked for in the meantime. */
  request: 'nothing' | 'pause' | 'cancel';
  secondsSinceRequest: number;
}

export interface Verdict extends Pick<Decision, 'next' | 'why' | 'change'> {
  /** Of the run's failure, when it stops. */
  code?: ErrorCode;
  control?: TrainerControl;
  rollback?: Rollback;
  /** Before the next attempt: grows while nothing gets better. */
  waitSeconds: number;
}

export const retry = (why: string): Verdict => ({ next: 'retry', why, change: null, waitSeconds: 0 });

export const stop = (code: ErrorCode, why: string): Verdict => ({ ...retry(why), next: 'stop', code });

/** It wrote a checkpoint beyond the one that it began with. */
export const madeProgress = ({ checkpointIteration, fromIteration }: Attempt): boolean =>
  checkpointIteration !== null && fromIteration !== null && checkpointIteration > fromIteration;
