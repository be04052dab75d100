import type { Attempt, Decision } from '../configs/schema.ts';

/** Crashes in a row that brought no new checkpoint before the run stops: a fourth would tell nothing new. */
export const crashesWithoutProgressAllowed = 3;

export type Verdict = Pick<Decision, 'next' | 'why'>;

/** What follows after the newest attempt, from all attempts so far. Pure: the same attempts give the same verdict. */
export function decideNext(attempts: readonly Attempt[]): Verdict {
  const newest = attempts.at(-1);
  if (newest === undefined) return { next: 'again', why: 'nothing was tried yet' };
  switch (newest.ending) {
    case 'finished':
      return { next: 'test', why: 'training finished' };
    case 'worker-lost':
      return { next: 'adopt', why: 'the worker was lost; the next one adopts the trainer if it lives, or resumes it' };
    case 'preempted':
      return { next: 'again', why: 'preempted; not counted as a failure' };
    case 'crashed':
      return afterCrash(attempts);
    default:
      return newest.ending satisfies never;
  }
}

function afterCrash(attempts: readonly Attempt[]): Verdict {
  const count = crashesWithoutProgress(attempts);
  if (count === 0) return { next: 'again', why: 'crashed after a new checkpoint: resumed at once, not counted' };
  if (count < crashesWithoutProgressAllowed) {
    return {
      next: 'again',
      why: `crashed without a new checkpoint, ${count} of ${crashesWithoutProgressAllowed} allowed`,
    };
  }
  return { next: 'stop', why: `crashed ${count} times in a row without a new checkpoint` };
}

/** Trailing crashes whose newest checkpoint was already there before them. Other endings neither count nor reset. */
function crashesWithoutProgress(attempts: readonly Attempt[]): number {
  const checkpointBefore = (index: number) =>
    Math.max(-1, ...attempts.slice(0, index).map((attempt) => attempt.checkpointIteration ?? -1));
  let count = 0;
  for (const [index, attempt] of [...attempts.entries()].reverse()) {
    if ((attempt.checkpointIteration ?? -1) > checkpointBefore(index)) break;
    if (attempt.ending === 'crashed') count += 1;
  }
  return count;
}
