import type { CocoMetrics, ReferenceResult, Report } from '../../../configs/schema.ts';
import { apKinds, apRows, type ApRow, describeApRow } from '../../../configs/coco-rows.ts';
import { type Markup, markup } from './markup.ts';
import { formatDifference, formatScore, pointsAbove } from '../../../configs/coco-score.ts';
import { formatDuration, formatPlural } from '../../../configs/time-text.ts';

/** COCO's 24 numbers, beside what others published. */
export const drawResults = ({ metrics, references }: Report): Markup => markup`<section>
<h2>Results</h2>
<div class="scroll" role="region" aria-label="Average precision and recall" tabindex="0"><table class="results">
<thead><tr><th scope="col"><span class="unseen">Measure</span></th><th scope="col" class="number ours">This run</th>${references.map(drawReferenceHead)}</tr></thead>
${apKinds.map(
  ({ key, title }) => markup`<tbody>
<tr class="group"><th scope="rowgroup" colspan="${2 + 2 * references.length}">${title}</th></tr>
${apRows.map((row) => drawRow(row, metrics[key], references, key))}</tbody>`,
)}
</table></div>
<p class="note">Measured on ${formatPlural(metrics.images, 'image')} in ${formatDuration(metrics.seconds)} with ${metrics.checkpoint}.${explainColumns(references)}${explainGaps(metrics)}</p>
${references.length > 0 ? markup`<dl class="facts note">${references.map(({ label, source }) => markup`<dt>${label}</dt><dd>${source}</dd>`)}</dl>` : ''}
</section>`;

const drawReferenceHead = ({ label }: ReferenceResult): Markup =>
  markup`<th scope="col" class="number">${label}</th><th scope="col" class="number difference">± points</th>`;

function drawRow(row: ApRow, ours: CocoMetrics, references: readonly ReferenceResult[], kind: 'bbox' | 'segm'): Markup {
  const cells = references.map((reference) => {
    const theirs = reference[kind][row.key];
    const points = pointsAbove(ours[row.key], theirs);
    return markup`<td>${formatScore(theirs)}</td><td class="difference">${points === undefined ? '' : formatDifference(points)}</td>`;
  });
  return markup`<tr><th scope="row"><div><b>${row.key}</b> <span>${describeApRow(row)}</span></div></th><td class="ours">${formatScore(ours[row.key])}</td>${cells}</tr>
`;
}

const explainColumns = (references: readonly ReferenceResult[]): string =>
  references.length > 0
    ? ' Points (0.01) say how far this run lies above or below the column before. A dash: nobody published the number.'
    : ' No published result for this recipe to compare with.';

const explainGaps = ({ bbox, segm }: Report['metrics']): string =>
  [bbox, segm].some((scores) => Object.values(scores).includes(null))
    ? ' A dash under “This run”: no object of that size among the images.'
    : '';
