import type { Analysis, GalleryImage } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { formatPlural } from '../../shared/summary/format-time.ts';
import { drawOverlay, isWrong } from './gallery-overlay.ts';
import { type Judgment, judgmentNames, judgments } from './outcome-names.ts';
import { selectWithinBudget } from './picture-budget.ts';

const groups = [
  ['best', 'Best'],
  ['worst', 'Worst'],
  ['random', 'Random sample'],
] as const;

/** Renders images with predictions, and with the objects that they missed, over the picture. */
export function renderGallery({ gallery, galleryRule, scoreThreshold }: Analysis): Section {
  const names = [...new Set(gallery.flatMap(listNames))].sort((a, b) => a.localeCompare(b));
  const numbers = new Map(names.map((name, number) => [name, number]));
  const shown = selectWithinBudget(gallery.map((image) => ({ image, figure: renderImage(image, numbers) })));
  const omitted = gallery.length - shown.length;
  return {
    id: 'gallery',
    title: 'Gallery',
    body: markup`${shown.length === 0 ? markup`<p class="note">The analysis contains no images.</p>` : markup`${renderLegend()}${renderControls(names, scoreThreshold)}`}
${gallery.length > 0 && !gallery.some(({ group }) => group === 'best') ? markup`<h3>Best</h3><p class="note">None: no image has an F1 above 0.</p>` : ''}
${groups.map(([group, title]) =>
  renderGroup(
    title,
    shown.flatMap(({ image, figure }) => (image.group === group ? figure : [])),
  ),
)}
<p class="note">Predictions with a score of at least ${scoreThreshold}, compared with the ground truth by mask at IoU 0.5. Hover over a box for details. ${galleryRule}${omitted > 0 ? ` ${formatPlural(omitted, 'image')} omitted to limit the size of this page; analysis.json lists all.` : ''}</p>
${renderDialog(scoreThreshold)}`,
  };
}

const renderGroup = (title: string, figures: readonly Markup[]): Markup | string =>
  figures.length === 0 ? '' : markup`<h3>${title}</h3><div class="gallery">${figures}</div>`;

const renderLegend = (): Markup =>
  markup`<p class="legend judgments">${judgments.map(
    (one) =>
      markup`<span class="key"><svg viewBox="0 0 26 14" aria-hidden="true"><rect class="backing" width="26" height="14" rx="2"/><g class="${one === 'missed' ? 'truth missed' : one}"><path class="edge" d="M2 7h22"/></g></svg>${judgmentNames[one]}</span> `,
  )}</p>`;

/** Renders the filters, which the script shows. */
const renderControls = (names: readonly string[], scoreThreshold: number): Markup => markup`
<div class="controls" role="group" aria-label="Filter of the gallery" hidden>
<label>Class <select name="class"><option value="">all</option>${names.map((name, number) => markup`<option value="${number}">${name}</option>`)}</select></label>
<label>Outcome <select name="outcome"><option value="">all</option>${judgments.map((one) => markup`<option value="${one}">${judgmentNames[one]}</option>`)}</select></label>
${renderSwitches(scoreThreshold)}
<output></output></div>`;

const renderSwitches = (scoreThreshold: number): Markup =>
  markup`<label><input type="checkbox" name="truth"> all ground truth</label>
<label>Score from <input type="range" name="score" min="${scoreThreshold}" max="1" step="0.01" value="${scoreThreshold}"> <span class="reading">${scoreThreshold.toFixed(2)}</span></label>`;

const renderDialog = (scoreThreshold: number): Markup => markup`<dialog class="zoom" aria-label="Image">
<div class="controls"><button type="button" name="previous">← Previous</button><button type="button" name="next">Next →</button>
${renderSwitches(scoreThreshold)}
<button type="button" name="close">Close</button></div>
<div class="stage"></div><p class="caption"></p></dialog>`;

const renderImage = (image: GalleryImage, numbers: ReadonlyMap<string, number>): Markup => {
  const { picture, fileName, f1 } = image;
  const source = picture.image ?? picture.predictions ?? picture.truth ?? '';
  const alt = `${fileName}: ${formatOutcome(image)}`;
  return markup`
<figure data-has="${listContents(image, numbers)}"><div class="shot"><img src="data:image/jpeg;base64,${source}" width="${picture.width}" height="${picture.height}" decoding="async" alt="${alt}">${drawOverlay(image)}</div>
<figcaption><b>${fileName}</b> <span>F1 ${f1.toFixed(2)} · ${formatOutcome(image)}</span></figcaption></figure>`;
};

const listNames = ({ truth, predictions }: GalleryImage): string[] =>
  [...truth, ...predictions].map((one) => one.class);

/** Lists pairs of class number and outcome, for the filters: `3:correct 7:missed`. */
function listContents({ truth, predictions }: GalleryImage, numbers: ReadonlyMap<string, number>): string {
  const pair = (name: string, outcome: Judgment): string => `${numbers.get(name) ?? ''}:${outcome}`;
  const missed = truth.filter(({ found }) => !found);
  const pairs = [
    ...predictions.map((one) => pair(one.class, one.outcome)),
    ...missed.map((one) => pair(one.class, 'missed')),
  ];
  return [...new Set(pairs)].join(' ');
}

function formatOutcome({ truth, predictions }: GalleryImage): string {
  const missed = truth.filter(({ found }) => !found);
  const wrong = predictions.filter(isWrong);
  const found = `${truth.length - missed.length} of ${formatPlural(truth.length, 'object')} found`;
  const more = [
    ...(missed.length > 0 ? [`missed: ${countBy(missed.map((one) => one.class))}`] : []),
    ...(wrong.length > 0
      ? [`${wrong.length} wrong: ${countBy(wrong.map(({ outcome }) => judgmentNames[outcome]))}`]
      : []),
  ];
  return [found, ...more].join('; ');
}

/** Counts names, most frequent first: `2 person, 1 dog`. */
function countBy(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${count} ${name}`).join(', ');
}
