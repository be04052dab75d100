import type { Analysis, GalleryImage } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { formatPlural } from '../../shared/summary/format-time.ts';
import { selectPictures } from './picture-budget.ts';

type AnnotatedObject = GalleryImage['truth'][number] | GalleryImage['predictions'][number];

const groups = [
  ['best', 'Best'],
  ['worst', 'Worst'],
  ['random', 'Random sample'],
] as const;

/** Renders images with ground truth and predictions side by side. */
export function renderGallery({ gallery, galleryRule, scoreThreshold }: Analysis): Section {
  const shown = selectPictures(gallery);
  const omitted = gallery.length - shown.length;
  return {
    id: 'gallery',
    title: 'Gallery',
    body: markup`${shown.length === 0 ? markup`<p class="note">The analysis contains no images.</p>` : ''}
${gallery.length > 0 && !gallery.some(({ group }) => group === 'best') ? markup`<h3>Best</h3><p class="note">None: no image has an F1 above 0.</p>` : ''}
${groups.map(([group, title]) =>
  renderGroup(
    title,
    shown.filter((one) => one.group === group),
  ),
)}
<p class="note">Left: ground truth. Right: predictions with a score of at least ${scoreThreshold}. Hover over a box for details. ${galleryRule}${omitted > 0 ? ` ${formatPlural(omitted, 'image')} omitted to limit the size of this page; analysis.json lists all.` : ''}</p>`,
  };
}

const renderGroup = (title: string, images: readonly GalleryImage[]): Markup | string =>
  images.length === 0 ? '' : markup`<h3>${title}</h3><div class="gallery">${images.map(renderImage)}</div>`;

const renderImage = (image: GalleryImage): Markup => markup`
<figure><div class="shots">${renderSide(image, 'truth')}${renderSide(image, 'predictions')}</div>
<figcaption><b>${image.fileName}</b> <span>F1 ${image.f1.toFixed(2)} · ${formatOutcome(image)}</span></figcaption></figure>`;

function renderSide({ picture, fileName, truth, predictions }: GalleryImage, side: 'truth' | 'predictions'): Markup {
  const { width, height } = picture;
  const items: readonly AnnotatedObject[] = side === 'truth' ? truth : predictions;
  const alt = `${side === 'truth' ? 'Ground truth' : 'Predictions'} of ${fileName}: ${countClasses(items)}`;
  // Large boxes first, so that small boxes inside them stay on top and can be hovered.
  const ordered = [...items].sort((a, b) => b.box[2] * b.box[3] - a.box[2] * a.box[3]);
  return markup`<div class="shot"><img src="data:image/jpeg;base64,${picture[side]}" width="${width}" height="${height}" alt="${alt}"><svg viewBox="0 0 ${width} ${height}" aria-hidden="true">${ordered.map(
    (one) =>
      markup`<rect x="${one.box[0]}" y="${one.box[1]}" width="${one.box[2]}" height="${one.box[3]}"><title>${formatObject(one)}</title></rect>`,
  )}</svg></div>`;
}

const formatObject = (one: AnnotatedObject): string =>
  'score' in one
    ? `${one.class} ${one.score.toFixed(2)}: ${one.outcome}`
    : `${one.class}: ${one.found ? 'found' : 'not found'}`;

function formatOutcome({ truth, predictions }: GalleryImage): string {
  const missed = truth.filter(({ found }) => !found);
  const wrong = predictions.filter(({ outcome }) => outcome !== 'correct' && outcome !== 'ignored');
  const found = `${truth.length - missed.length} of ${formatPlural(truth.length, 'object')} found`;
  const more = [
    ...(missed.length > 0 ? [`not found: ${countClasses(missed)}`] : []),
    ...(wrong.length > 0 ? [`${wrong.length} wrong: ${countBy(wrong.map(({ outcome }) => outcome))}`] : []),
  ];
  return [found, ...more].join('; ');
}

const countClasses = (items: readonly AnnotatedObject[]): string => countBy(items.map((one) => one.class)) || 'nothing';

/** Counts objects by class, most frequent first: `2 person, 1 dog`. */
function countBy(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${count} ${name}`).join(', ');
}
