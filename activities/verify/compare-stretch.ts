import { isDeepStrictEqual } from 'node:util';
import type { TrainerEvent } from '../../configs/schema/index.ts';

export type EpochEvent = Extract<TrainerEvent, { type: 'epoch' }>;

/** Comparison of the losses that both trainings logged. */
export interface LossComparison {
  steps: number;
  /** Largest relative difference within the tolerance. */
  largest: number;
  /** First step whose losses differ by more than the tolerance; `lastEqual` is the logged step before it. */
  difference: { step: number; lastEqual: number | null; original: number | null; repeated: number | null } | null;
}

export const hashNames = ['samples', 'random', 'weights', 'optimizer'] as const;
type HashName = (typeof hashNames)[number];
/** Comparison of the hashes at the end of an epoch. */
export type HashComparison = { epoch: number } & Record<HashName, 'equal' | 'different'>;

/** Compares the losses of the steps that were repeated so far. */
export function compareLosses(
  original: ReadonlyMap<number, number | null>,
  repeated: readonly TrainerEvent[],
  tolerance: number,
): LossComparison {
  const comparison: LossComparison = { steps: 0, largest: 0, difference: null };
  let lastEqual: number | null = null;
  for (const event of repeated) {
    if (event.type !== 'step') continue;
    const { iteration: step, loss } = event;
    const expected = original.get(step);
    if (expected === undefined) continue;
    comparison.steps += 1;
    const relative = relativeDifference(expected, loss);
    if (relative > tolerance)
      return { ...comparison, difference: { step, lastEqual, original: expected, repeated: loss } };
    comparison.largest = Math.max(comparison.largest, relative);
    lastEqual = step;
  }
  return comparison;
}

/** A loss that is not finite is null; it equals only another one. */
function relativeDifference(a: number | null, b: number | null): number {
  if (a === b) return 0;
  if (a === null || b === null) return Infinity;
  return Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b));
}

/** Compares the hashes of the epochs that both trainings recorded up to the step `last`. */
export function compareEpochs(
  original: readonly EpochEvent[],
  repeated: readonly TrainerEvent[],
  last: number,
): HashComparison[] {
  return repeated.flatMap((ours) => {
    if (ours.type !== 'epoch' || ours.iteration > last) return [];
    const theirs = original.findLast(({ epoch }) => epoch === ours.epoch);
    return theirs === undefined ? [] : [compareHashes(theirs, ours)];
  });
}

function compareHashes(theirs: EpochEvent, ours: EpochEvent): HashComparison {
  const compare = (name: HashName) => (isDeepStrictEqual(theirs[name], ours[name]) ? 'equal' : 'different');
  return {
    epoch: ours.epoch,
    samples: compare('samples'),
    random: compare('random'),
    weights: compare('weights'),
    optimizer: compare('optimizer'),
  };
}
