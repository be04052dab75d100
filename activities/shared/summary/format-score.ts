/** AP or AR, from 0 to 1. All scores are rounded by one rule, so that printed differences add up. */
type Score = number | null | undefined;

/** Rounds as Python's `{:.3f}` does: only odd sixteenths are exact ties, and those go to the even neighbor. */
function roundToThousandths(score: number): number {
  if (Math.abs(score * 16) % 2 !== 1) return Math.round(Number(score.toFixed(3)) * 1000);
  const below = Math.floor(score * 1000);
  return below % 2 === 0 ? below : below + 1;
}

/** Formats a score as `0.508`; a dash without one. */
export const formatScore = (score: Score): string =>
  score == null ? '–' : (roundToThousandths(score) / 1000).toFixed(3);

/** Formats a score as points, as papers do: `50.8`. */
export const formatPoints = (score: number): string => (roundToThousandths(score) / 10).toFixed(1);

/** Formats AP as points; a dash without one. */
export const formatAp = (score: Score): string => (score == null ? '–' : formatPoints(score));

/** Returns by how many points (hundredths) the first score exceeds the second, after both are rounded for print. */
export const pointsAbove = (ours: Score, theirs: Score): number | undefined =>
  ours == null || theirs == null ? undefined : (roundToThousandths(ours) - roundToThousandths(theirs)) / 10;

/** Formats a difference as `+0.4`, `−1.0` or `0.0`; a dash without one. */
export function formatDifference(points: number | undefined): string {
  if (points === undefined) return '–';
  if (points === 0) return '0.0';
  return `${points > 0 ? '+' : '\u2212'}${Math.abs(points).toFixed(1)}`;
}
