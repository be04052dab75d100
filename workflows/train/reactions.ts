/** Reactions to a failure that change how the run continues. The plan allows each change, and it is recorded. Pure. */
import { formatPlural } from '../../activities/shared/summary/format-time.ts';
import type { Attempt } from '../../configs/schema/index.ts';
import { retry, madeProgress, stop, type Situation, type Verdict } from './verdict.ts';

/** Rolls back after NaN or Inf, past the newest checkpoints: they may already contain the cause. */
export function rollBack(newest: Attempt, { attempts, plan, control }: Situation): Verdict {
  const { tries, backCheckpoints, learningRateFactor, fp32 } = plan.recovery.diverged;
  const count = attempts.filter(({ failure }) => failure?.reaction === 'rollback').length;
  if (count > tries) return stop('TrainingDiverged', `diverged again after ${tries} rollbacks`);
  const toIteration = newest.checkpoints.at(Math.min(backCheckpoints, newest.checkpoints.length) - 1) ?? 0;
  const why = `diverged at iteration ${newest.toIteration ?? 'unknown'}, rollback ${count} of ${tries}`;
  const factor = control.learningRateFactor * learningRateFactor;
  const without = fp32 && !control.fp32 ? ', without mixed precision' : '';
  return {
    ...retry(why),
    change: `rolled back to iteration ${toIteration}; learning rate x ${factor}${without}`,
    control: { ...control, learningRateFactor: factor, fp32: control.fp32 || fp32 },
    rollback: { toIteration, fence: newest.fence ?? 0, why },
  };
}

/**
 * Reacts to a lack of GPU memory. The first retry changes nothing, because a single batch of crowded images may be the
 * cause; further retries split each batch into smaller parts.
 */
export function accumulateGradients({ attempts, plan, control }: Situation): Verdict {
  const { recovery, batchPerGpu } = plan;
  if (countOutOfMemory(attempts) === 1) return retry('out of GPU memory: retried unchanged');
  const accumulate = control.accumulate * 2;
  const parts = partsPerBatch(plan) * accumulate;
  if (!recovery.outOfMemory.accumulate)
    return stop('OutOfGpuMemory', 'out of GPU memory twice; the plan has no fallback');
  if (parts > batchPerGpu)
    return stop(
      'OutOfGpuMemory',
      `out of GPU memory with ${formatPlural(partsPerBatch(plan) * control.accumulate, 'part')} per batch`,
    );
  return {
    ...retry('out of GPU memory again: smaller parts, as the plan allows'),
    change: `each batch of ${batchPerGpu} is split into ${parts} parts; their gradients are accumulated into one step`,
    control: { ...control, accumulate },
  };
}

/** Returns the number of parts into which the recipe itself splits the batch of a GPU. */
const partsPerBatch = ({ recipe, batchPerGpu }: Situation['plan']): number =>
  Math.ceil(batchPerGpu / (recipe.summary.imagesAtOnce ?? batchPerGpu));

/** Counts consecutive failures for lack of memory, back to the last attempt that wrote a checkpoint. */
function countOutOfMemory(attempts: readonly Attempt[]): number {
  let count = 0;
  for (const attempt of [...attempts].reverse()) {
    if (attempt.failure?.reaction !== 'accumulate-gradients') break;
    count += 1;
    if (madeProgress(attempt)) break;
  }
  return count;
}

/** Times that a run starts over without asking, if the plan allows it. A disk that keeps losing data needs a person. */
const startOversOfPlan = 3;

/** Asks a person before the run trains from iteration 0 again, unless the plan allows it. */
export function askToStartOver(newest: Attempt, { attempts, plan }: Situation): Verdict {
  const count = attempts.filter(({ failure }) => failure?.reaction === 'ask-to-start-over').length;
  if (!plan.recovery.startOver || count > startOversOfPlan)
    return { ...retry('no saved checkpoint is usable: a person decides'), next: 'ask' };
  return { ...retry('no saved checkpoint is usable'), ...startOver(newest, '`recovery.startOver`') };
}

/** Lets the next attempt train from iteration 0. @param who allowed it. */
export const startOver = ({ fence }: Attempt, who: string): Pick<Verdict, 'change' | 'rollback'> => {
  const why = `started over from iteration 0, allowed by ${who}`;
  return { change: why, rollback: { toIteration: 0, fence: fence ?? 0, why, startOver: true } };
};

/** Goes back one checkpoint. The newest matches its hash but cannot be read, so it was written damaged. */
export function usePreviousCheckpoint(newest: Attempt): Verdict {
  const why = 'the checkpoint could not be read';
  const toIteration = newest.checkpoints[1] ?? 0;
  return {
    ...retry(why),
    change: `rolled back to iteration ${toIteration}`,
    rollback: { toIteration, fence: newest.fence ?? 0, why },
  };
}
