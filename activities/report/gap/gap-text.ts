/** A diagnosis in words, the same in HTML and Markdown. */
import { formatDifference, formatPoints, pointsAbove } from '../../shared/summary/format-score.ts';
import type { EvalMetrics, KnownEffect, ReferenceResult } from '../../../configs/schema/index.ts';
import type { GapDiagnosis } from './diagnose.ts';

/** The gap and its first suspect in a sentence. */
export function describeGap(gap: GapDiagnosis): string {
  const { points, reference, suspect, unknown, isWithinNoise } = gap;
  const against = `${reference.label} (${showScores(reference)})`;
  if (isOtherData(gap)) return `This run is of other data than ${against}: their numbers cannot be compared.`;
  const shortfall = `${formatDifference(points.bbox)} box and ${formatDifference(points.segm)} mask AP against ${against}`;
  if (isWithinNoise) return `${shortfall}: no more than two runs of one recipe differ by.`;
  if ((points.bbox ?? 0) > 0) return `${shortfall}: nothing is missing.`;
  if (suspect !== undefined)
    return `${shortfall}; the likeliest cause is the ${suspect.about}: ${suspect.ours} instead of ${suspect.theirs}.`;
  return unknown.length > 0
    ? `${shortfall}; too little is known of this run to name a cause.`
    : `${shortfall}; nothing that differs is known to cost as much.`;
}

export const isOtherData = ({ differences }: GapDiagnosis): boolean => differences[0]?.about === 'data set';

/** From what the gap is measured, and from how much on it means something. */
export function describeMeasure({ title, reference, others, noise }: GapDiagnosis, metrics: EvalMetrics): string {
  const beside = others.map((other) => {
    const box = formatDifference(pointsAbove(metrics.bbox.AP, other.bbox.AP));
    const mask = formatDifference(pointsAbove(metrics.segm.AP, other.segm.AP));
    return ` Against ${other.label} (${showScores(other)}) it would be ${box} and ${mask}.`;
  });
  const runs = noise.evidence.map(({ says, source }) => `${says} (${source})`).join('; ');
  return `${title}, measured from ${reference.label} (${reference.source}).${beside.join('')} Two runs of one thing differ by ${noise.bbox.join(' to ')} points: ${runs}.`;
}

/** `costs 1.0 box, 0.6 mask AP, measured on related models` */
export function describeEffect({ basis, loses }: KnownEffect): string {
  if (loses === null) return 'effect unknown';
  if (loses.bbox[1] === 0) return 'costs about nothing';
  const mask = loses.segm === null ? '' : `, ${showRange(loses.segm)} mask`;
  return `costs ${showRange(loses.bbox)} box${mask} AP, measured${basis === 'relative' ? ' on related models' : ''}`;
}

const showScores = ({ bbox, segm }: ReferenceResult): string =>
  [bbox.AP, segm.AP].map((score) => (score == null ? '–' : formatPoints(score))).join(' / ');

const showRange = ([low, high]: readonly [number, number]): string =>
  low === high ? high.toFixed(1) : `${low.toFixed(1)} to ${high.toFixed(1)}`;
