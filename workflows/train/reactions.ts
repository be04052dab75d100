/** Reactions to a failure that change something; each change is the plan's own and is recorded. Pure. */
import type { Attempt } from '../../configs/schema/index.ts';
import { retry, madeProgress, stop, type Situation, type Verdict } from './verdict.ts';

/** After NaN or Inf: the newest checkpoints may already carry the cause, so back to one before them, more carefully. */
export function rollBack(newest: Attempt, { attempts, plan, control }: Situation): Verdict {
  const { tries, backCheckpoints, learningRateFactor, fp32 } = plan.recovery.diverged;
  const count = attempts.filter(({ failure }) => failure?.reaction === 'rollback').length;
  if (count > tries) return stop('TrainingDiverged', `diverged again after ${tries} steps back`);
  const toIteration = newest.checkpoints.at(Math.min(backCheckpoints, newest.checkpoints.length) - 1) ?? 0;
  const why = `diverged at iteration ${newest.toIteration ?? 'unknown'}, step back ${count} of ${tries}`;
  const factor = control.learningRateFactor * learningRateFactor;
  const without = fp32 && !control.fp32 ? ', without mixed precision' : '';
  return {
    ...retry(why),
    change: `back to iteration ${toIteration}; learning rate x ${factor}${without}`,
    control: { ...control, learningRateFactor: factor, fp32: control.fp32 || fp32 },
    rollback: { toIteration, fence: newest.fence ?? 0, why },
  };
}

/** Out of GPU memory: crowded images come and go, so once more as it was; then the same batch in smaller parts. */
export function accumulateGradients({ attempts, plan, control }: Situation): Verdict {
  const { recovery, batchPerGpu } = plan;
  if (countOutOfMemory(attempts) === 1) return retry('out of GPU memory: once more as it was');
  const accumulate = control.accumulate * 2;
  const parts = partsPerBatch(plan) * accumulate;
  if (!recovery.outOfMemory.accumulate)
    return stop('OutOfGpuMemory', 'out of GPU memory twice; the plan has no fallback');
  if (parts > batchPerGpu)
    return stop('OutOfGpuMemory', `out of GPU memory with ${partsPerBatch(plan) * control.accumulate} parts a batch`);
  return {
    ...retry('out of GPU memory again: the plan’s fallback'),
    change: `each batch of ${batchPerGpu} in ${parts} parts, whose gradients add up to the same step`,
    control: { ...control, accumulate },
  };
}

/** Into which the recipe itself cuts the batch of a GPU. */
const partsPerBatch = ({ recipe, batchPerGpu }: Situation['plan']): number =>
  Math.ceil(batchPerGpu / (recipe.summary.imagesAtOnce ?? batchPerGpu));

/** In a row, back to the last one that had written a checkpoint before it ran out. */
function countOutOfMemory(attempts: readonly Attempt[]): number {
  let count = 0;
  for (const attempt of [...attempts].reverse()) {
    if (attempt.failure?.reaction !== 'accumulate-gradients') break;
    count += 1;
    if (madeProgress(attempt)) break;
  }
  return count;
}

/** The newest checkpoint is whole by its hash and still cannot be read: it was written like that. */
export function usePreviousCheckpoint(newest: Attempt): Verdict {
  const why = 'the checkpoint could not be read';
  const toIteration = newest.checkpoints[1] ?? 0;
  return {
    ...retry(why),
    change: `back to iteration ${toIteration}`,
    rollback: { toIteration, fence: newest.fence ?? 0, why },
  };
}
