import { apKinds, apRows, type ApRow, formatApRow } from '../../shared/summary/coco-rows.ts';
import { formatDifference, formatScore, pointsAbove } from '../../shared/summary/format-score.ts';
import type { Analysis, Report } from '../../../configs/schema/index.ts';
import { type Column, listColumns } from '../components/columns.ts';
import { renderFacts } from '../components/facts.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { formatDuration, formatPlural } from '../../shared/summary/format-time.ts';

type Kind = 'bbox' | 'segm';
type Bootstrap = Analysis['bootstrap'];

/** Renders the 24 COCO metrics next to published results. */
export function renderResults(report: Report, bootstrap: Bootstrap): Section {
  const { metrics } = report;
  const columns = listColumns(report);
  return {
    id: 'results',
    title: 'Results',
    body: markup`<div class="pair">${apKinds.map(
      ({ key, plural }) => markup`<div><h3>${plural}</h3>
<div class="scroll" role="region" aria-label="Average precision and recall of ${plural.toLowerCase()}" tabindex="0"><table class="results">
<thead>${renderGroups(columns)}<tr><th scope="col"><span class="unseen">Measure</span></th><th scope="col" class="number ours">This run</th>${columns.map(({ label }) => markup`<th scope="col" class="number">${label}</th>`)}</tr></thead>
<tbody>${apRows.map((row) => renderRow(row, report, { columns, bootstrap, kind: key }))}</tbody></table></div></div>`,
    )}</div>
<details><summary>What the rows measure</summary>${renderFacts(apRows.map((row) => [row.key, formatApRow(row)]))}</details>
<p class="note">Measured on ${formatPlural(metrics.images, 'image')} in ${formatDuration(metrics.seconds)} with ${metrics.checkpoint}.${explainMasks(report)}${explainColumns(columns)}${explainGaps(metrics)}${explainIntervals(bootstrap)}</p>
${columns.length > 0 ? markup`<dl class="facts note">${columns.map(({ label, source }) => markup`<dt>${label}</dt><dd>${source}</dd>`)}</dl>` : ''}`,
  };
}

/** Labels the columns that the verdict compares with and those that it does not. */
function renderGroups(columns: readonly Column[]): Markup | string {
  const compared = columns.filter(({ isCompared }) => isCompared).length;
  const others = columns.length - compared;
  if (columns.length === 0) return '';
  const renderGroup = (count: number, text: string): Markup | string =>
    count === 0 ? '' : markup`<th scope="colgroup" class="number" colspan="${count}">${text}</th>`;
  return markup`<tr class="groups"><td colspan="2"></td>${renderGroup(compared, 'compared: same recipe')}${renderGroup(others, 'not compared: another recipe')}</tr>`;
}

function renderRow(
  row: ApRow,
  { metrics }: Report,
  { columns, bootstrap, kind }: { columns: readonly Column[]; bootstrap: Bootstrap; kind: Kind },
): Markup {
  const ours = metrics[kind][row.key];
  const cells = columns.map((column) => {
    const theirs = column[kind][row.key];
    const points = pointsAbove(ours, theirs);
    return markup`<td>${formatScore(theirs)} <small>${points === undefined ? '' : formatDifference(points)}</small></td>`;
  });
  return markup`<tr><th scope="row"><b>${row.key}</b></th><td class="ours">${formatScore(ours)}${renderInterval(row.key, bootstrap?.[kind])}</td>${cells}</tr>
`;
}

function renderInterval(key: ApRow['key'], intervals: NonNullable<Bootstrap>[Kind] | undefined): Markup | string {
  const interval = key === 'AP' || key === 'AP50' || key === 'AP75' ? intervals?.[key] : undefined;
  return interval
    ? markup` <small class="interval">${formatScore(interval[0])}–${formatScore(interval[1])}</small>`
    : '';
}

function explainColumns(columns: readonly Column[]): string {
  if (columns.length === 0) return ' There is no published result for this recipe on these data.';
  const compared = columns.filter(({ isCompared }) => isCompared).map(({ label }) => label);
  const verdict =
    compared.length > 0
      ? `The verdict compares with: ${compared.join('; ')}.`
      : 'The verdict compares with none of them, since no result of this recipe was published.';
  return ` ${verdict} Small numbers show how far this run differs, in points (0.01). A dash marks an unpublished number.`;
}

const explainMasks = ({ plan }: Report): string =>
  plan.dataset.masks === undefined
    ? ''
    : ' Masks are made from boxes where objects have no outline, so mask AP measures boxes there.';

const explainGaps = ({ bbox, segm }: Report['metrics']): string =>
  [bbox, segm].some((scores) => Object.values(scores).includes(null))
    ? ' A dash under “This run” means that the images contain no object of that size.'
    : '';

const explainIntervals = (bootstrap: Bootstrap): string =>
  bootstrap
    ? ` Small numbers under “This run” are 95 % bootstrap intervals over the test images (${formatPlural(bootstrap.resamples, 'resample')}).`
    : '';
