/** Where a gap lies: in what is found, in how exactly it is placed, or in objects of one size. */
import { formatDifference, pointsAbove } from '../../shared/summary/format-score.ts';
import type { CocoMetrics, EvalMetrics, ReferenceResult } from '../../../configs/schema/index.ts';

export interface GapShape {
  /** Sentences. */
  readonly says: readonly string[];
  /** The boxes are found, and lie less exactly: AP75 falls short by more than AP50. */
  readonly isLocalisation: boolean;
}

/** Smaller differences than that are printed, and nothing is read off them. */
const noticeablePoints = 0.3;

export function describeShape(metrics: EvalMetrics, reference: ReferenceResult): GapShape {
  const box = compareStrictness('Box', metrics.bbox, reference.bbox);
  const mask = compareStrictness('Mask', metrics.segm, reference.segm);
  return {
    says: [box.says, mask.says, describeSizes(metrics, reference)],
    isLocalisation: box.isLocalisation,
  };
}

function compareStrictness(name: string, ours: CocoMetrics, theirs: Partial<CocoMetrics>) {
  const loose = pointsAbove(ours.AP50, theirs.AP50);
  const strict = pointsAbove(ours.AP75, theirs.AP75);
  if (loose === undefined || strict === undefined)
    return { says: `${name}: AP50 and AP75 of the reference were not published.`, isLocalisation: false };
  const numbers = `${name}: AP50 ${formatDifference(loose)}, AP75 ${formatDifference(strict)}`;
  const isLocalisation = strict < 0 && loose - strict >= noticeablePoints;
  return { says: `${numbers}: ${readStrictness(loose, strict, isLocalisation)}.`, isLocalisation };
}

function readStrictness(loose: number, strict: number, isLocalisation: boolean): string {
  if (Math.max(Math.abs(loose), Math.abs(strict)) < noticeablePoints) return 'too little to have a shape';
  if (isLocalisation) return 'nearly as many objects are found, but their outlines lie less exactly (localisation)';
  if (loose < 0 && strict - loose >= noticeablePoints)
    return 'what is found lies as exactly, but more is missed or named wrongly';
  return loose < 0 || strict < 0 ? 'about as much at loose as at strict overlap' : 'no shortfall at either overlap';
}

function describeSizes(metrics: EvalMetrics, reference: ReferenceResult): string {
  const sizes = [
    ['small', 'APs'],
    ['medium', 'APm'],
    ['large', 'APl'],
  ] as const;
  const known = sizes.flatMap(([name, key]) => {
    const points = pointsAbove(metrics.bbox[key], reference.bbox[key]);
    return points === undefined ? [] : `${name} ${formatDifference(points)}`;
  });
  return known.length > 0
    ? `Box AP by size: ${known.join(', ')}.`
    : 'By size: the reference was published without it, so that small and large objects cannot be told apart.';
}
