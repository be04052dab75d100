import type { Comparison } from '../../configs/schema/index.ts';
import { formatPlural } from '../shared/summary/format-time.ts';
import { formatChange, formatDifference, isClear } from './format-difference.ts';

/** Formats one sentence per run: how it differs from the first run, and whether the difference is significant. */
export function formatComparisonVerdict({ runs, metrics, plan, resamples }: Comparison): string[] {
  const [first, ...others] = runs;
  const overall = (kind: 'bbox' | 'segm', place: number) =>
    metrics.find((one) => one.kind === kind && one.key === 'AP')?.differences[place];
  const fields = plan.map(({ field }) => field).join(', ');
  const differs =
    plan.length === 0
      ? 'The plans are identical.'
      : `${formatPlural(plan.length, 'field')} of the plan differ: ${fields}.`;
  const sentences = others.map(({ runId, checkpointSha256 }, place) => {
    if (metrics.every(({ differences }) => (differences[place]?.by ?? 0) === 0)) {
      const isSame = checkpointSha256 === first?.checkpointSha256;
      return `${runId} is identical to ${first?.runId ?? ''}: all scores are equal${isSame ? ', and so are the tested checkpoints' : ''}.`;
    }
    const [box, mask] = [overall('bbox', place), overall('segm', place)];
    const name = `${runId} compared with ${first?.runId ?? ''}`;
    if (box === undefined || mask === undefined) return `${name}: no common metrics.`;
    const scores = `box AP ${formatDifference(box)}, mask AP ${formatDifference(mask)}`;
    return resamples === null
      ? `${name}: ${scores}.`
      : `${name}: ${scores}; ${formatSignificance(isClear(box), formatChange(box.by))}.`;
  });
  return [...sentences, plan.length === 1 ? `One field of the plan differs: ${fields}.` : differs];
}

const formatSignificance = (clear: boolean, change: string): string =>
  clear ? `the box difference of ${change} points is significant` : 'the box difference is not significant';
