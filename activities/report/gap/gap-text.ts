/** Formats a diagnosis, with the same wording in HTML and Markdown. */
import { formatAp, formatDifference, pointsAbove } from '../../shared/summary/format-score.ts';
import type { EvalMetrics, KnownEffect, ReferenceResult } from '../../../configs/schema/index.ts';
import type { GapDiagnosis } from './diagnose-gap.ts';

/** Formats the gap and its likeliest cause as one sentence. */
export function formatGap(gap: GapDiagnosis): string {
  const { points, reference, suspect, unknown, isWithinNoise } = gap;
  if (isOtherDataset(gap))
    return 'This run uses a different data set than the published model, so their numbers cannot be compared.';
  const published = `${reference.label} (${formatScores(reference)})`;
  const shortfall = `${formatDifference(points.bbox)} box and ${formatDifference(points.segm)} mask AP compared with ${published}`;
  if (isWithinNoise) return `${shortfall}: within the variation between two runs of one recipe.`;
  if ((points.bbox ?? 0) > 0) return `${shortfall}: there is no shortfall to explain.`;
  if (suspect !== undefined)
    return `${shortfall}; the likeliest cause is the ${suspect.aspect}: ${suspect.ours} instead of ${suspect.theirs}.`;
  return unknown.length > 0
    ? `${shortfall}; too little is known about this run to name a cause.`
    : `${shortfall}; no known difference costs as much.`;
}

export const isOtherDataset = ({ differences }: GapDiagnosis): boolean =>
  differences.some(({ aspect }) => aspect === 'dataset');

/** Names the reference of the gap, and how much two runs of one recipe differ. */
export function formatReferences(gap: GapDiagnosis, metrics: EvalMetrics): string {
  const { title, reference, others, noise } = gap;
  if (isOtherDataset(gap)) return `Reference: ${title}, ${reference.label} (${reference.source}).`;
  const further = others.map((other) => {
    const box = formatDifference(pointsAbove(metrics.bbox.AP, other.bbox.AP));
    const mask = formatDifference(pointsAbove(metrics.segm.AP, other.segm.AP));
    return ` Compared with ${other.label} (${formatScores(other)}): ${box} and ${mask}.`;
  });
  const runs = noise.evidence.map(({ finding, source }) => `${finding} (${source})`).join('; ');
  return `Reference: ${title}, ${reference.label} (${reference.source}).${further.join('')} Two runs of one recipe differ by ${noise.bbox.join(' to ')} points. ${runs}.`;
}

/** Formats an effect, such as `costs 1.0 box, 0.6 mask AP, measured on related models`. */
export function formatEffect({ basis, cost }: KnownEffect): string {
  if (cost === null) return 'effect unknown';
  if (cost.bbox[1] === 0) return 'no measurable cost';
  const mask = cost.segm === null ? '' : `, ${formatRange(cost.segm)} mask`;
  return `costs ${formatRange(cost.bbox)} box${mask} AP, measured${basis === 'relative' ? ' on related models' : ''}`;
}

const formatScores = ({ bbox, segm }: ReferenceResult): string =>
  [bbox.AP, segm.AP].map((score) => formatAp(score)).join(' / ');

const formatRange = ([low, high]: readonly [number, number]): string =>
  low === high ? high.toFixed(1) : `${low.toFixed(1)} to ${high.toFixed(1)}`;
