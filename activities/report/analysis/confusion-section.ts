import type { Analysis, ConfusionCells } from '../../../configs/schema/index.ts';
import { formatCount } from '../../shared/summary/format-time.ts';
import { sum } from '../components/axis.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';

/** With more classes, the page shows the most confused pairs and folds the matrix. */
const maxOpenClasses = 20;
/** With more classes, the matrix would make the page too large. */
const maxClasses = 150;
const maxPairs = 15;
const shades = 8;

/** A confusion matrix: `names` are those of the classes, and of the background at the end. */
export interface Matrix {
  readonly names: readonly string[];
  /** Count by actual and predicted class. */
  readonly counts: readonly (readonly number[])[];
}

/** A class that is taken for another one: `share` of its objects, 0 to 1. */
interface Confusion {
  readonly actual: string;
  readonly predicted: string;
  readonly count: number;
  readonly share: number;
}

/** Renders which classes are confused with each other and with the background; undefined for older analyses. */
export function renderConfusion({ confusion, classes, scoreThreshold }: Analysis): Section | undefined {
  if (confusion === undefined) return undefined;
  const names = [...classes.map(({ name }) => name), 'background'];
  const [boxes, masks] = [confusion.bbox, confusion.segm].map((cells) => buildMatrix(names, cells));
  if (boxes === undefined || masks === undefined) return undefined;
  return {
    id: 'confusion',
    title: 'Confusion matrix',
    body: markup`<p>${formatConfusions(boxes)}</p>
${classes.length > maxOpenClasses ? renderPairs(boxes) : ''}
${classes.length > maxClasses ? '' : renderMatrices(boxes, masks)}
<p class="note">Rows are the actual class, columns the predicted one, and the number is a count of objects. The column “background” counts missed objects, the row “background” predictions without an object. Rule: predictions with a score of at least ${scoreThreshold} take, by descending score, the free object of largest IoU, at least 0.5, whatever its class. Crowds do not count. Shades show the share of the row.${classes.length > maxClasses ? ' analysis.json lists the matrix.' : ''}</p>`,
  };
}

/** Expands the cells of analysis.json. */
export function buildMatrix(names: readonly string[], cells: ConfusionCells): Matrix {
  const counts = names.map(() => new Array<number>(names.length).fill(0));
  for (const [actual, predicted, count] of cells) {
    const row = counts[actual];
    if (row !== undefined && predicted < names.length) row[predicted] = count;
  }
  return { names, counts };
}

/** Lists pairs of different classes, without the background, most frequent first. */
export function listConfusions({ names, counts }: Matrix): Confusion[] {
  const background = names.length - 1;
  return counts
    .slice(0, background)
    .flatMap((row, actual) => {
      const total = sum(row);
      return row.slice(0, background).map((count, predicted) => ({
        actual: names[actual] ?? '',
        predicted: names[predicted] ?? '',
        count: actual === predicted ? 0 : count,
        share: total > 0 ? count / total : 0,
      }));
    })
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
}

/** Names the most frequent confusion, the class missed most and the class predicted most on the background. */
export function formatConfusions(matrix: Matrix): string {
  const { names, counts } = matrix;
  const background = names.length - 1;
  const [pair] = listConfusions(matrix);
  const missed = counts.slice(0, background).map((row) => row[background] ?? 0);
  const invented = counts[background]?.slice(0, background) ?? [];
  const nameMost = (of: readonly number[]): string => {
    const most = of.reduce((a, b) => Math.max(a, b), 0);
    return most === 0 ? 'none' : `${names[of.indexOf(most)] ?? ''} (${formatCount(most)})`;
  };
  const confused =
    pair === undefined
      ? 'No object is taken for another class.'
      : `Most confused: ${pair.actual} taken for ${pair.predicted} (${formatCount(pair.count)}, ${formatShare(pair.share)} of its objects).`;
  return `${confused} Most missed: ${nameMost(missed)}. Most often predicted where no object is: ${nameMost(invented)}.`;
}

function renderPairs(matrix: Matrix): Markup | string {
  const pairs = listConfusions(matrix);
  if (pairs.length === 0) return '';
  return markup`<h3>Most confused classes</h3>
<div class="scroll" role="region" aria-label="Most confused classes" tabindex="0"><table class="plain pairs sortable"><thead><tr><th scope="col" data-sort="text">Actual</th><th scope="col" data-sort="text">Predicted</th><th scope="col" class="number" data-sort="number" aria-sort="descending">Objects</th><th scope="col" class="number" data-sort="number">Share of actual</th></tr></thead>
<tbody>${pairs
    .slice(0, maxPairs)
    .map(
      ({ actual, predicted, count, share }) =>
        markup`<tr><th scope="row">${actual}</th><td>${predicted}</td><td class="number" data-value="${count}">${formatCount(count)}</td><td class="number" data-value="${share.toFixed(4)}">${formatShare(share)}</td></tr>`,
    )}</tbody></table></div>`;
}

function renderMatrices(boxes: Matrix, masks: Matrix): Markup {
  const isLarge = boxes.names.length > maxOpenClasses;
  const fold = (title: string, matrix: Matrix): Markup =>
    markup`<details><summary>${title}</summary>${renderMatrix(title, matrix)}</details>`;
  return isLarge
    ? markup`${fold(`Boxes: all ${boxes.names.length - 1} classes`, boxes)}${fold(`Masks: all ${masks.names.length - 1} classes`, masks)}`
    : markup`<h3>Boxes</h3>${renderMatrix('Confusion matrix of boxes', boxes)}${fold('Masks', masks)}`;
}

const renderMatrix = (name: string, { names, counts }: Matrix): Markup => markup`
<div class="scroll tall" role="region" aria-label="${name}" tabindex="0"><table class="heat${names.length > maxOpenClasses ? ' many' : ''}"><thead><tr><th scope="col"><span>actual ↓ predicted →</span></th>${names.map((one) => markup`<th scope="col"><span>${one}</span></th>`)}</tr></thead>
<tbody>${counts.map((row, actual) => renderRow(row, actual, names))}</tbody></table></div>`;

function renderRow(row: readonly number[], actual: number, names: readonly string[]): Markup {
  const total = sum(row);
  return markup`<tr><th scope="row">${names[actual] ?? ''}</th>${row.map((count, predicted) => {
    if (count === 0) return markup`<td></td>`;
    const shade = Math.max(1, Math.round((shades * count) / total));
    return markup`<td class="${actual === predicted ? 'h' : 'e'}${shade}">${count}</td>`;
  })}</tr>
`;
}

const formatShare = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** Style of the matrix: blue for correct cells, orange for errors, darker for a larger share of the row. */
export const confusionStyle = markup`
.heat { width: auto; font-size: 0.78rem; }
.heat th, .heat td { padding: 0.25rem 0.5rem; border: 1px solid var(--line); vertical-align: middle; }
.heat td { min-width: 3rem; text-align: right; }
.heat thead th { border-bottom: 1px solid var(--line); text-align: right; overflow-wrap: anywhere; }
.heat tbody th { position: sticky; left: 0; max-width: 12rem; background: var(--page); overflow-wrap: anywhere; }
.heat thead th:first-child { text-align: left; font-size: 0.72rem; white-space: nowrap; }
.many { font-size: 0.68rem; }
.many th, .many td { padding: 0.1rem 0.25rem; }
.many td { min-width: 1.5rem; }
.many thead th:not(:first-child) span { display: inline-block; max-height: 8rem; writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; overflow: hidden; }
${Array.from({ length: shades }, (_, index) => index + 1).map(
  (shade) => markup`.h${shade} { background: color-mix(in srgb, var(--first) ${shade * 6}%, var(--page)); }
.e${shade} { background: color-mix(in srgb, var(--second) ${shade * 6}%, var(--page)); }
`,
)}
.pairs { max-width: 44rem; margin-bottom: 1rem; }
@media print { .heat td { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .heat { font-size: 0.6rem; } .heat th, .heat td { padding: 0.1rem 0.2rem; min-width: 0; } .many { font-size: 0.3rem; } }
`;
