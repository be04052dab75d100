import { apKinds, apRows, formatApRow } from '../shared/summary/coco-rows.ts';
import { formatPoints, formatScore } from '../shared/summary/format-score.ts';
import type { ComparedScore, Comparison, Report } from '../../configs/schema/index.ts';
import { formatCount, formatPlural } from '../shared/summary/format-time.ts';
import { chartScript } from '../report/components/chart-script.ts';
import { csvScript } from '../report/components/csv-script.ts';
import { renderFigure } from '../report/components/figure.ts';
import { type Markup, markup } from '../report/components/markup.ts';
import { renderPage } from '../report/components/page.ts';
import type { Section } from '../report/components/section.ts';
import type { Chart } from '../report/components/svg-chart.ts';
import { formatComparisonVerdict } from './comparison-verdict.ts';
import { formatChange, formatDifference, isClear } from './format-difference.ts';

/** Number of line colors. */
export const maxCurves = 5;

/** Curves of one run. */
export type ComparedCurves = Pick<Report, 'runId' | 'curves'>;

/** Renders a page with differences in plans and metrics and with overlaid curves. @param navigation links of a served page. */
export const renderComparisonHtml = (
  comparison: Comparison,
  curves: readonly ComparedCurves[],
  navigation?: Markup,
): string =>
  renderPage({
    kind: 'everswin comparison',
    ...(navigation && { navigation }),
    title: comparison.runs.map(({ runId }) => runId).join(' · '),
    summary: markup`${formatComparisonVerdict(comparison).map((sentence) => markup`<p class="verdict">${sentence}</p>`)}
<p class="note">Each run is compared with the first. ${explainIntervals(comparison)}</p>`,
    sections: renderComparison(comparison, curves),
    script: markup`${chartScript}${csvScript}`,
  });

/** Renders the sections below the verdict. */
export const renderComparison = (comparison: Comparison, curves: readonly ComparedCurves[]): Section[] => [
  renderPlans(comparison),
  renderScores(comparison),
  renderCurves(curves.slice(0, maxCurves)),
  renderClasses(comparison),
];

export const explainIntervals = ({ resamples, images }: Comparison): string =>
  resamples === null
    ? 'Intervals are not available because the runs share no resamples.'
    : `Brackets show 95 % intervals from ${formatCount(resamples)} paired resamples of the ${formatPlural(images, 'test image')}.`;

const renderColumnHeads = ({ runs }: Comparison): Markup[] =>
  runs.map(({ runId }) => markup`<th scope="col" class="number">${runId}</th>`);

function renderPlans(comparison: Comparison): Section {
  const { plan, runs } = comparison;
  const rows = plan.map(
    ({ field, values }) =>
      markup`<tr><th scope="row">${field}</th>${values.map((value) => markup`<td>${value ?? '–'}</td>`)}</tr>`,
  );
  const table = markup`<div class="scroll" role="region" aria-label="Fields of the plan that differ" tabindex="0"><table class="plain">
<thead><tr><th scope="col">Field</th>${runs.map(({ runId }) => markup`<th scope="col">${runId}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
  const body = plan.length === 0 ? markup`<p>The plans are identical.</p>` : table;
  return { id: 'plan', title: 'Differences between the plans', body };
}

const renderScores = (comparison: Comparison): Section => ({
  id: 'results',
  title: 'Results',
  body: markup`<div class="scroll" role="region" aria-label="Average precision and recall" tabindex="0"><table class="results">
<thead><tr><th scope="col"><span class="unseen">Measure</span></th>${renderColumnHeads(comparison)}</tr></thead>
${apKinds.map(
  ({ key: kind, title }) => markup`<tbody>
<tr class="group"><th scope="rowgroup" colspan="${1 + comparison.runs.length}">${title}</th></tr>
${apRows.map((row) => {
  const found = comparison.metrics.find((one) => one.kind === kind && one.key === row.key);
  return found === undefined
    ? ''
    : markup`<tr><th scope="row"><div><b>${row.key}</b> <span>${formatApRow(row)}</span></div></th>${renderCells(found)}</tr>`;
})}</tbody>`,
)}
</table></div>`,
});

function renderCells({ scores, differences }: ComparedScore): Markup[] {
  return scores.map((score, place) => {
    const difference = differences[place - 1];
    if (difference === undefined) return markup`<td class="ours">${formatScore(score)}</td>`;
    const text = formatDifference(difference);
    return markup`<td>${formatScore(score)} <small>${isClear(difference) ? markup`<b>${text}</b>` : text}</small></td>`;
  });
}

const inPoints = (score: number | null): number | null => (score === null ? null : Number(formatPoints(score)));

function renderCurves(runs: readonly ComparedCurves[]): Section {
  const names = runs.map(({ runId }) => runId).join(', ');
  const chart = (
    id: string,
    title: string,
    axes: Pick<Chart, 'xLabel' | 'yLabel' | 'yScale'>,
    pointsOf: (curves: Report['curves']) => Chart['series'][number]['points'],
  ): Markup =>
    renderFigure({
      id,
      title,
      ...axes,
      isOverlaid: true,
      marks: [],
      description: `${title} of ${names}, one line per run.`,
      series: runs.map(({ runId, curves }) => ({ name: runId, points: pointsOf(curves) })),
    });
  const ofEpochs = { xLabel: 'epoch', yLabel: 'AP, points', yScale: 'linear-from-zero' } as const;
  const ofIterations = { xLabel: 'iteration', yLabel: 'loss', yScale: 'linear-from-zero' } as const;
  return {
    id: 'curves',
    title: 'Curves',
    body: markup`${chart('loss', 'Training loss', ofIterations, ({ loss }) => loss.map((at) => ({ x: at.iteration, y: at.loss })))}
${chart('box', 'Box AP after each epoch', ofEpochs, ({ ap }) => ap.map((at) => ({ x: at.epoch, y: inPoints(at.bbox) })))}
${chart('mask', 'Mask AP after each epoch', ofEpochs, ({ ap }) => ap.map((at) => ({ x: at.epoch, y: inPoints(at.segm) })))}`,
  };
}

const renderClasses = (comparison: Comparison): Section => ({
  id: 'classes',
  title: 'Classes',
  body: markup`<div class="scroll tall" role="region" aria-label="Box AP of each class" tabindex="0"><table class="plain sortable">
<thead><tr><th scope="col" data-sort="text">Class</th><th scope="col" class="number" data-sort="number">Objects</th>${renderColumnHeads(comparison)}</tr></thead>
<tbody>${comparison.classes.map(
    ({ name, instances, bbox }) =>
      markup`<tr><th scope="row">${name}</th><td class="number" data-value="${instances}">${formatCount(instances)}</td>${bbox.scores.map(
        (score, place) => renderClassCell(score, bbox.differences[place - 1]),
      )}</tr>`,
  )}</tbody></table></div>
<p class="note">Box AP, largest change first. <code>everswin compare</code> also writes mask AP and intervals, to comparison.json.</p>`,
});

const renderClassCell = (score: number | null, difference: ComparedScore['differences'][number] | undefined): Markup =>
  markup`<td class="number">${formatScore(score)}${difference === undefined ? '' : markup` <small>${formatChange(difference.by)}</small>`}</td>`;
