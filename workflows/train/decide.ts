/** Decides what follows an attempt. Pure, so the history explains it. The table is in docs/reference/recovery.md. */
import type { ErrorCode } from '../../configs/errors.ts';
import { FailureReaction, type Attempt, type Failure } from '../../configs/schema/index.ts';
import { fitToGpus, isSettled } from './gpus.ts';
import { accumulateGradients, askToStartOver, rollBack, usePreviousCheckpoint } from './reactions.ts';
import { retry, madeProgress, stop, type Situation, type Verdict } from './verdict.ts';

const longestWaitSeconds = 60;
/** An outage of the artifact store for a night then adds fewer than 150 attempts to the history. */
export const longestOutageWaitSeconds = 300;
/** Watches in a row that fail within a minute of an unexpected error; about an hour. */
const longestErrorStreak = 20;
const shortWatchSeconds = 60;

export const decideNext = (situation: Situation): Verdict => fitToGpus(afterAttempt(situation), situation);

function afterAttempt(situation: Situation): Verdict {
  const newest = situation.attempts.at(-1);
  if (newest === undefined) return retry('no attempt yet');
  switch (newest.outcome) {
    case 'finished':
      return afterFinish(newest, situation);
    case 'worker-lost':
      return afterLoss(newest, situation);
    case 'preempted':
      return afterPreemption(newest, situation);
    case 'crashed':
    case 'hung':
      return situation.request === 'cancel' ? cancelled(newest, situation) : afterFailure(newest, situation);
    default:
      return newest.outcome satisfies never;
  }
}

function afterFinish({ epoch }: Attempt, { attempts, control: { epochs } }: Situation): Verdict {
  if (epoch === null || epoch >= epochs) return { ...retry('training finished'), next: 'test' };
  const count = countWithoutProgress(attempts, ['finished']);
  if (count >= unknownFailure.tries)
    return tooOften(`the trainer ended after ${epoch} of ${epochs} epochs without an error`, count);
  const waitSeconds = backOff(count);
  return { ...retry(`finished ${epoch} epochs; the run was extended to ${epochs}`), waitSeconds };
}

function afterLoss({ watchError }: Attempt, { attempts, request }: Situation): Verdict {
  const count = countShortWatches(attempts);
  const why =
    watchError === undefined
      ? 'the worker was lost; the next worker adopts the trainer if it is running, or resumes it'
      : `the watch of the trainer failed (${watchError}); the next attempt adopts the trainer if it is running, or resumes it`;
  if (watchError === 'Unexpected' && count > longestErrorStreak)
    return stop('Unexpected', `the watch of the trainer failed ${count} times in a row`);
  const isStorage = watchError === storageError && request === 'nothing';
  return {
    ...(isStorage
      ? waitForStorage(`the watch of the trainer failed (${watchError})`)
      : { ...retry(why), next: 'adopt' }),
    waitSeconds: backOff(count, watchError === undefined ? longestWaitSeconds : longestOutageWaitSeconds),
  };
}

function afterPreemption(newest: Attempt, situation: Situation): Verdict {
  const { attempts, request } = situation;
  if (request === 'cancel') return cancelled(newest, situation);
  if (request === 'pause') return { ...retry(`paused; ${formatStop(newest, situation)}`), next: 'pause' };
  const waitSeconds = backOff(countWithoutProgress(attempts, ['preempted']));
  return { ...retry('preempted; not counted as a failure'), waitSeconds };
}

const cancelled = (newest: Attempt, situation: Situation): Verdict => ({
  ...retry(`cancelled; ${formatStop(newest, situation)}`),
  next: 'stop',
});

/** Names the checkpoint from which the run resumes, and the seconds that the stop took. */
const formatStop = ({ checkpoints: [newest] }: Attempt, { secondsSinceRequest }: Situation): string => {
  const where = newest === undefined ? 'there is no checkpoint yet' : `checkpoint ${newest} is complete`;
  return `stopped in ${secondsSinceRequest.toFixed(1)} s: ${where}, no trainer process is running`;
};

function afterFailure(newest: Attempt, situation: Situation): Verdict {
  const { attempts } = situation;
  const count = countWithoutProgress(attempts, ['crashed', 'hung']);
  const { tries, class: name, ...failure } = newest.failure ?? unknownFailure;
  const waitSeconds = backOff(count);
  const { data: reaction } = FailureReaction.safeParse(failure.reaction);
  if (reaction === undefined)
    return stop('UnexpectedResult', `${name}: this version does not know the reaction "${failure.reaction}"`);
  switch (reaction) {
    case 'stop':
      return stop('TrainingFailed', `${name}: another attempt would not fix it`);
    case 'rollback':
      return rollBack(newest, situation);
    case 'accumulate-gradients':
      return accumulateGradients(situation);
    case 'wait-for-space':
      if (count >= tries) return stop('DiskFull', `${name}, ${count} times in a row without a new checkpoint`);
      return { ...retry('the disk is full: waiting for space'), next: 'wait-for-space', waitSeconds };
    case 'wait-for-storage':
      // Never the end of a run: a server may be away for days, and a permission waits for a person.
      return { ...waitForStorage(name), waitSeconds: backOff(count, longestOutageWaitSeconds) };
    case 'previous-checkpoint':
      if (count >= tries) return tooOften(name, count);
      return { ...usePreviousCheckpoint(newest), waitSeconds };
    case 'ask-to-start-over':
      return askToStartOver(newest, situation);
    case 'replace-gpu':
    case 'retry':
      // Without the health of the GPUs, nothing tells the lost one from the others.
      if (reaction === 'replace-gpu' && newest.gpus === undefined)
        return stop('TrainingFailed', `${name}: another attempt would not fix it`);
      if (isSettled(newest, attempts)) return retry(`${name}: a GPU failed; not counted`);
      if (count === 0) return retry(`${name} after a new checkpoint: resumed at once, not counted`);
      if (count >= tries) return tooOften(name, count);
      return { ...retry(`${name} without a new checkpoint, ${count} of ${tries} allowed`), waitSeconds };
    default:
      return reaction satisfies never;
  }
}

/** Failures in a row without progress that end a run, unless the class of the failure has another number. */
export const triesWithoutProgress = 3;

const unknownFailure: Pick<Failure, 'reaction' | 'tries' | 'class'> = {
  reaction: 'retry',
  tries: triesWithoutProgress,
  class: 'unknown',
};

const tooOften = (name: string, count: number): Verdict =>
  stop('TrainerNoProgress', `${name}, ${count} times in a row without a new checkpoint`);

const waitForStorage = (cause: string): Verdict => ({
  ...retry(`${cause}: waiting until the storage of the run works`),
  next: 'wait-for-storage',
});

const storageError: ErrorCode = 'StorageUnavailable';

/** Returns the seconds to wait: 0 after the first failure, then 1, 2, 4, … */
export const backOff = (count: number, longest = longestWaitSeconds): number =>
  count < 2 ? 0 : Math.min(longest, 2 ** (count - 2));

/**
 * Counts the attempts with these outcomes since the last new checkpoint. Attempts with other outcomes do not count, nor do
 * failures of a GPU that is not used any more.
 */
function countWithoutProgress(attempts: readonly Attempt[], outcomes: Attempt['outcome'][]): number {
  const progressed = attempts.findLastIndex(madeProgress);
  const isCounted = (attempt: Attempt): boolean => outcomes.includes(attempt.outcome) && !isSettled(attempt, attempts);
  return attempts.slice(progressed + 1).filter(isCounted).length;
}

/** Counts consecutive workers lost within a minute each, which suggests a broken machine. */
function countShortWatches(attempts: readonly Attempt[]): number {
  const lastLong = attempts.findLastIndex(
    ({ outcome, startedAt, endedAt }) => outcome !== 'worker-lost' || endedAt - startedAt > shortWatchSeconds,
  );
  return attempts.length - 1 - lastLong;
}
