/** What follows after an attempt: pure, so that history explains every decision. The table is in docs/operations.md. */
import type { Attempt, Failure, TrainerControl } from '../../configs/schema/index.ts';
import { repairOutOfMemory, stepBack, useOlderCheckpoint } from './repairs.ts';
import { again, madeProgress, stop, type Situation, type Verdict } from './verdict.ts';

const longestWaitSeconds = 60;
const shortWatchSeconds = 60;

export function decideNext(situation: Situation): Verdict {
  const newest = situation.attempts.at(-1);
  if (newest === undefined) return again('nothing was tried yet');
  switch (newest.outcome) {
    case 'finished':
      return afterFinish(newest, situation.orders);
    case 'worker-lost':
      return {
        ...again('the worker was lost; the next one adopts the trainer if it lives, or resumes it'),
        next: 'adopt',
        waitSeconds: backOff(countShortWatches(situation.attempts)),
      };
    case 'preempted':
      return afterPreemption(newest, situation);
    case 'crashed':
    case 'hung':
      return situation.asked === 'cancel' ? cancelled(newest, situation) : afterFailure(newest, situation);
    default:
      return newest.outcome satisfies never;
  }
}

function afterFinish({ epoch }: Attempt, { epochs }: TrainerControl): Verdict {
  if (epoch !== null && epoch < epochs) return again(`finished ${epoch} epochs, and ${epochs} are wanted by now`);
  return { ...again('training finished'), next: 'test' };
}

function afterPreemption(newest: Attempt, situation: Situation): Verdict {
  const { attempts, asked } = situation;
  if (asked === 'cancel') return cancelled(newest, situation);
  if (asked === 'pause') return { ...again(`paused; ${describeSafety(newest, situation)}`), next: 'pause' };
  const waitSeconds = backOff(countWithoutProgress(attempts, ['preempted']));
  return { ...again('preempted; not counted as a failure'), waitSeconds };
}

const cancelled = (newest: Attempt, situation: Situation): Verdict => ({
  ...again(`cancelled; ${describeSafety(newest, situation)}`),
  next: 'stop',
});

/** Where the run would go on, and how long it took until that was sure. */
const describeSafety = ({ checkpoints: [newest] }: Attempt, { secondsSinceAsked }: Situation): string => {
  const where = newest === undefined ? 'there is no checkpoint yet' : `the checkpoint of iteration ${newest} is whole`;
  return `safe after ${secondsSinceAsked.toFixed(1)} s: ${where}, no process is left`;
};

function afterFailure(newest: Attempt, situation: Situation): Verdict {
  const { attempts } = situation;
  const count = countWithoutProgress(attempts, ['crashed', 'hung']);
  const { reaction, tries, class: name } = newest.failure ?? unknownFailure;
  const waitSeconds = backOff(count);
  switch (reaction) {
    case 'stop':
      return stop('TrainingFailed', `${name}: another attempt would not mend that`);
    case 'rollback':
      return stepBack(newest, situation);
    case 'accumulate-gradients':
      return repairOutOfMemory(situation);
    case 'wait-for-space':
      if (count >= tries) return stop('DiskFull', `${name}, ${count} times in a row without a new checkpoint`);
      return { ...again('the disk is full: waiting until there is space again'), next: 'wait-for-space', waitSeconds };
    case 'previous-checkpoint':
      if (count >= tries) return tooOften(name, count);
      return { ...useOlderCheckpoint(newest), waitSeconds };
    case 'retry':
      if (count === 0) return again(`${name} after a new checkpoint: resumed at once, not counted`);
      if (count >= tries) return tooOften(name, count);
      return { ...again(`${name} without a new checkpoint, ${count} of ${tries} allowed`), waitSeconds };
    default:
      return reaction satisfies never;
  }
}

const unknownFailure: Pick<Failure, 'reaction' | 'tries' | 'class'> = { reaction: 'retry', tries: 3, class: 'unknown' };

const tooOften = (name: string, count: number): Verdict =>
  stop('TrainerNoProgress', `${name}, ${count} times in a row without a new checkpoint`);

/** None after the first time, then 1, 2, 4, … seconds. */
const backOff = (count: number): number => (count < 2 ? 0 : Math.min(longestWaitSeconds, 2 ** (count - 2)));

/** Trailing attempts of these endings that wrote no new checkpoint. Others neither count nor reset, unless they wrote one. */
function countWithoutProgress(attempts: readonly Attempt[], endings: Attempt['outcome'][]): number {
  const progressed = attempts.findLastIndex(madeProgress);
  return attempts.slice(progressed + 1).filter(({ outcome }) => endings.includes(outcome)).length;
}

/** Workers in a row that were lost within a minute each: one that watched for longer is no sign of a sick machine. */
function countShortWatches(attempts: readonly Attempt[]): number {
  const lastLong = attempts.findLastIndex(
    ({ outcome, startedAt, endedAt }) => outcome !== 'worker-lost' || endedAt - startedAt > shortWatchSeconds,
  );
  return attempts.length - 1 - lastLong;
}
