import type { EvalMetrics, ReferenceResult } from '../../configs/schema/index.ts';
import { formatPoints, pointsAbove } from '../shared/summary/format-score.ts';
import { formatPlural } from '../shared/summary/format-time.ts';

/** Formats the measured AP and its difference to each reference as one sentence. */
export function formatVerdict(metrics: EvalMetrics, references: readonly ReferenceResult[]): string {
  const { bbox, segm, images } = metrics;
  const measured = `${formatScore('Box AP', bbox.AP)} and ${formatScore('mask AP', segm.AP)}`;
  const comparisons = references.map((reference) => formatComparison(metrics, reference)).filter((text) => text !== '');
  return comparisons.length > 0
    ? `${measured}: ${comparisons.join('; ')}.`
    : `${measured} on ${formatPlural(images, 'image')}; no published result for this recipe on these data to compare with.`;
}

const formatScore = (name: string, score: number | null): string =>
  score === null ? `${name} not measured (no ground truth)` : `${name} ${formatPoints(score)}`;

/** @returns an empty text if the reference and the run have no number in common. */
function formatComparison(metrics: EvalMetrics, reference: ReferenceResult): string {
  const box = pointsAbove(metrics.bbox.AP, reference.bbox.AP);
  const mask = pointsAbove(metrics.segm.AP, reference.segm.AP);
  const theirs = [box === undefined ? null : reference.bbox.AP, mask === undefined ? null : reference.segm.AP]
    .flatMap((score) => (score == null ? [] : formatPoints(score)))
    .join(' / ');
  return theirs && `${formatBoth(box, mask)} ${possessive(reference.label)} ${theirs}`;
}

function formatBoth(box: number | undefined, mask: number | undefined): string {
  if (box === undefined || mask === undefined) {
    return [formatGap('box', box), formatGap('mask', mask)].filter((text) => text !== '').join('');
  }
  if (Math.sign(box) !== Math.sign(mask)) return `${formatGap('box', box)} and ${formatGap('mask', mask)}`;
  return box === 0 ? 'level with' : `${Math.abs(box).toFixed(1)} and ${formatGap('', mask).trim()}`;
}

function formatGap(name: string, points: number | undefined): string {
  if (points === undefined) return '';
  if (points === 0) return `${name} level with`;
  return `${name} ${Math.abs(points).toFixed(1)} points ${points > 0 ? 'above' : 'below'}`;
}

const possessive = (label: string): string =>
  `${/^(the|an?|our) /i.test(label) ? '' : 'the '}${label}${label.endsWith('s') ? "'" : "'s"}`;
