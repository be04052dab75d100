/** How an AP or AR (0..1) is rounded and printed: one rule, so that the differences shown add up to the reader. */
type Score = number | null | undefined;

/** Rounds as Python's `{:.3f}` does: only odd sixteenths lie exactly half way, and those go to the even neighbour. */
function roundToThousandths(score: number): number {
  if (Math.abs(score * 16) % 2 !== 1) return Math.round(Number(score.toFixed(3)) * 1000);
  const below = Math.floor(score * 1000);
  return below % 2 === 0 ? below : below + 1;
}

/** `0.508`; a dash where there is no number. */
export const formatScore = (score: Score): string =>
  score == null ? '–' : (roundToThousandths(score) / 1000).toFixed(3);

/** `50.8`, the way papers print it. */
export const formatPoints = (score: number): string => (roundToThousandths(score) / 10).toFixed(1);

/** Points (hundredths) by which ours lies above theirs, of the two numbers as printed. */
export const pointsAbove = (ours: Score, theirs: Score): number | undefined =>
  ours == null || theirs == null ? undefined : (roundToThousandths(ours) - roundToThousandths(theirs)) / 10;

/** `+0.4`, `−1.0`, `0.0`; a dash where one of the two is missing. */
export function formatDifference(points: number | undefined): string {
  if (points === undefined) return '–';
  if (points === 0) return '0.0';
  return `${points > 0 ? '+' : '\u2212'}${Math.abs(points).toFixed(1)}`;
}
