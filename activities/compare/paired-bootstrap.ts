/** A run's scores of the n-th resample and another's are of the same images: their differences are paired. */

type Replicates = readonly (number | null)[];

const middle = [0.025, 0.975] as const;

/**
 * The middle 95 % of the differences' spread, laid around the difference that was measured (trainer/…/resampling.py says why).
 * @returns null where nothing was drawn, or nothing is known of one of the two.
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

/** Between neighbours, as numpy does it. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}
