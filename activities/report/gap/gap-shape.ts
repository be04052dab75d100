/** Locates a gap: in detection, in localization, or in objects of one size. */
import { formatDifference, pointsAbove } from '../../shared/summary/format-score.ts';
import type { CocoMetrics, EvalMetrics, ReferenceResult } from '../../../configs/schema/index.ts';

export interface GapShape {
  /** Complete sentences. */
  readonly findings: readonly string[];
  /** True if AP75 falls short by more than AP50: objects are found, but their boxes are less precise. */
  readonly isLocalization: boolean;
}

/** Smaller differences are printed but not interpreted. */
const noticeablePoints = 0.3;

export function analyzeShape(metrics: EvalMetrics, reference: ReferenceResult): GapShape {
  const box = compareOverlaps('Box', metrics.bbox, reference.bbox);
  const mask = compareOverlaps('Mask', metrics.segm, reference.segm);
  return {
    findings: [box.finding, mask.finding, formatSizes(metrics, reference)],
    isLocalization: box.isLocalization,
  };
}

function compareOverlaps(name: string, ours: CocoMetrics, theirs: Partial<CocoMetrics>) {
  const loose = pointsAbove(ours.AP50, theirs.AP50);
  const strict = pointsAbove(ours.AP75, theirs.AP75);
  if (loose === undefined || strict === undefined)
    return { finding: `${name}: AP50 and AP75 of the reference were not published.`, isLocalization: false };
  const numbers = `${name}: AP50 ${formatDifference(loose)}, AP75 ${formatDifference(strict)}`;
  const isLocalization = strict < 0 && loose - strict >= noticeablePoints;
  return { finding: `${numbers}: ${interpretOverlaps(loose, strict, isLocalization)}.`, isLocalization };
}

function interpretOverlaps(loose: number, strict: number, isLocalization: boolean): string {
  if (Math.max(Math.abs(loose), Math.abs(strict)) < noticeablePoints) return 'too small to interpret';
  if (isLocalization) return 'almost as many objects are found, but they are localized less precisely';
  if (loose < 0 && strict - loose >= noticeablePoints)
    return 'objects are localized as precisely, but more of them are missed or misclassified';
  return loose < 0 || strict < 0
    ? 'the shortfall is similar at both overlap thresholds'
    : 'no shortfall at either overlap threshold';
}

function formatSizes(metrics: EvalMetrics, reference: ReferenceResult): string {
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
    ? `Box AP by object size: ${known.join(', ')}.`
    : 'Box AP by object size: not published for the reference.';
}
