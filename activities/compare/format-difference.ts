import { formatPoints } from '../shared/summary/format-score.ts';
import type { ComparedScore } from '../../configs/schema/index.ts';

type Difference = ComparedScore['differences'][number];

/** Formats a difference in points, such as `+0.4`; a dash if either score is missing. */
export const formatChange = (by: number | null): string => (by === null ? '–' : formatSigned(by));

/** Formats a difference with its interval, such as `+0.4 [−0.2, +1.1]`. */
export const formatDifference = ({ by, interval }: Difference): string =>
  interval === null ? formatChange(by) : `${formatChange(by)} [${interval.map(formatSigned).join(', ')}]`;

/** Returns whether the 95 % interval excludes zero. */
export const isClear = ({ interval }: Difference): boolean => interval !== null && (interval[0] > 0 || interval[1] < 0);

function formatSigned(by: number): string {
  const points = formatPoints(Math.abs(by));
  if (points === '0.0') return '0.0';
  return `${by > 0 ? '+' : '\u2212'}${points}`;
}
