import type { Comparison } from '../../configs/schema/index.ts';
import { formatPlural } from '../shared/summary/format-time.ts';
import { formatChange, formatDifference, isClear } from './format-difference.ts';

/** A sentence for each run but the first: how it stands to it, and whether that is more than the choice of images. */
export function formatComparisonVerdict({ runs, metrics, plan, resamples }: Comparison): string[] {
  const [first, ...others] = runs;
  const overall = (kind: 'bbox' | 'segm', place: number) =>
    metrics.find((one) => one.kind === kind && one.key === 'AP')?.differences[place];
  const fields = plan.map(({ field }) => field).join(', ');
  const differs =
    plan.length === 0
      ? 'The plans do not differ.'
      : `${formatPlural(plan.length, 'field')} of the plan differ: ${fields}.`;
  const sentences = others.map(({ runId }, place) => {
    const [box, mask] = [overall('bbox', place), overall('segm', place)];
    const name = `${runId} against ${first?.runId ?? ''}`;
    if (box === undefined || mask === undefined) return `${name}: nothing measured.`;
    const scores = `box AP ${formatDifference(box)}, mask AP ${formatDifference(mask)}`;
    return resamples === null
      ? `${name}: ${scores}.`
      : `${name}: ${scores}; ${judge(isClear(box), formatChange(box.by))}.`;
  });
  return [...sentences, plan.length === 1 ? `One field of the plan differs: ${fields}.` : differs];
}

const judge = (clear: boolean, change: string): string =>
  clear
    ? `the box difference is clear (${change} points)`
    : 'another choice of test images could turn the box difference around';
