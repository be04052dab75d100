import { apKinds } from '../../shared/summary/coco-rows.ts';
import { formatScore } from '../../shared/summary/format-score.ts';
import type {
  Analysis,
  ClassAnalysis,
  OverallThresholds,
  SuggestedThreshold,
  ThresholdCounts,
} from '../../../configs/schema/index.ts';
import { renderFigure } from '../components/figure.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import type { Chart } from '../components/svg-chart.ts';
import { drawSharePath } from './class-strip.ts';

const maxRows = 200;
const measures = [
  ['f1', 'F1'],
  ['precision', 'precision'],
  ['recall', 'recall'],
] as const;

/** Renders F1, precision and recall over the score threshold, and the best threshold of each class. */
export function renderThresholds({ thresholds, classes }: Analysis): Section | undefined {
  if (thresholds === undefined) return undefined;
  const known = classes.filter(({ bbox, segm }) => bbox.suggested != null || segm.suggested != null);
  const ranked = [...known].sort((a, b) => (a.bbox.suggested?.f1 ?? 0) - (b.bbox.suggested?.f1 ?? 0));
  return {
    id: 'thresholds',
    title: 'Score thresholds',
    body: markup`<p>${formatSuggestion(thresholds.bbox)}</p>
<div class="pair">${apKinds.map(({ key, plural }) => renderFigure(chartThresholds(key, plural, thresholds[key])))}</div>
${ranked.length === 0 ? '' : renderTable(ranked.slice(0, maxRows))}
<p class="note">At IoU 0.5. Curves are means over classes with ground truth; precision counts as 1 where nothing is predicted. The suggested threshold has the highest F1; it is chosen on these test images, so expect slightly less on others. Lowest F1 first.${ranked.length > maxRows ? ` The page shows ${maxRows} classes; analysis.json lists all.` : ''}${known.length < classes.length ? ' Classes without ground truth or without a correct prediction are omitted.' : ''}</p>`,
  };
}

/** Names the threshold that suits all classes, and what it gives. */
export function formatSuggestion(thresholds: OverallThresholds | null): string {
  const best = thresholds?.suggested;
  if (best == null) return 'There is no threshold to suggest: no prediction is correct.';
  return `Suggested score threshold for boxes: ${best.score.toFixed(2)}. It gives the highest mean F1, ${best.f1.toFixed(3)}, with precision ${best.precision.toFixed(3)} and recall ${best.recall.toFixed(3)}.`;
}

const chartThresholds = (kind: 'bbox' | 'segm', title: string, thresholds: OverallThresholds | null): Chart => ({
  id: `thresholds-${kind}`,
  title,
  description: kind === 'bbox' ? formatSuggestion(thresholds) : 'The same curves for masks.',
  xLabel: 'score threshold',
  yLabel: 'mean over classes',
  xScale: 'share',
  yScale: 'share',
  isHalf: true,
  series: measures.map(([key, name]) => ({
    name,
    points: (thresholds?.[key] ?? []).map((y, index) => ({ x: index / 100, y })),
  })),
  marks:
    thresholds?.suggested == null
      ? []
      : [
          {
            x: thresholds.suggested.score,
            kind: 'best',
            what: `suggested threshold ${thresholds.suggested.score.toFixed(2)}, F1 ${thresholds.suggested.f1.toFixed(3)}`,
          },
        ],
});

const renderTable = (classes: readonly ClassAnalysis[]): Markup => {
  const heads = ['Threshold', 'Precision', 'Recall', 'F1'];
  return markup`
<div class="scroll tall" role="region" aria-label="Suggested thresholds by class" tabindex="0"><table class="plain classes narrow sortable">
<thead><tr><th scope="col" data-sort="text">Class</th>${apKinds.map(({ title }) =>
    heads.map(
      (head) =>
        markup`<th scope="col" class="number" data-sort="number"${title === 'Box' && head === 'F1' ? markup` aria-sort="ascending"` : ''}>${title} ${head.toLowerCase().replace('f1', 'F1')}</th>`,
    ),
  )}<th scope="col">F1 by threshold</th></tr></thead>
<tbody>${classes.map(
    (one) => markup`
<tr><th scope="row">${one.name}</th>${apKinds.map(({ key }) => renderCells(one[key].suggested ?? null))}<td>${drawF1(one)}</td></tr>`,
  )}</tbody></table></div>`;
};

function renderCells(best: SuggestedThreshold | null): Markup[] {
  const values = best === null ? [null, null, null, null] : [best.score, best.precision, best.recall, best.f1];
  return values.map(
    (value, index) =>
      markup`<td class="number" data-value="${value ?? ''}">${value !== null && index === 0 ? markup`<b>${value.toFixed(2)}</b>` : formatScore(value)}</td>`,
  );
}

/** Draws F1 (y) over the score threshold (x), for boxes and masks. */
function drawF1({ bbox, segm, instances }: ClassAnalysis): Markup | string {
  if (bbox.counts == null || segm.counts == null) return '';
  const label = `F1 over the score threshold: box up to ${formatScore(bbox.suggested?.f1 ?? null)}, mask up to ${formatScore(segm.suggested?.f1 ?? null)}`;
  return drawSharePath(
    label,
    [bbox.counts, segm.counts].map((counts) => listF1(counts, instances)),
  );
}

/** Computes F1 for each threshold from the counts of a class with this many objects. */
export const listF1 = ({ correct, wrong }: ThresholdCounts, objects: number): number[] =>
  correct.map((right, index) => {
    const total = right + (wrong[index] ?? 0) + objects;
    return total > 0 ? (2 * right) / total : 0;
  });
