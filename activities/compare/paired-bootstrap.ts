/** Two runs share the images of each resample, so the differences of their scores are paired. */

type Replicates = readonly (number | null)[];

const middle = [0.025, 0.975] as const;

/**
 * Returns the 95 % interval of the paired differences, centered on the measured difference.
 * @returns null if either run has no score or no resamples.
 */
export function differenceInterval(by: number | null, first: Replicates, second: Replicates): [number, number] | null {
  const spread = first.flatMap((score, place) => {
    const other = second[place];
    return score === null || other == null ? [] : [other - score];
  });
  if (by === null || spread.length === 0) return null;
  const mean = spread.reduce((sum, one) => sum + one, 0) / spread.length;
  const sorted = spread.sort((a, b) => a - b);
  const [low, high] = middle.map((share) => by + quantile(sorted, share) - mean);
  return [low ?? by, high ?? by];
}

/** Interpolates linearly between neighbors, like numpy. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}
