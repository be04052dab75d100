/** Draws predictions and objects of a gallery image over its picture. */
import type { GalleryImage } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../components/markup.ts';
import { fontSizeOf, type Label, placeLabels, shorten } from './label-layout.ts';
import { type Judgment, judgmentNames } from './outcome-names.ts';

type Prediction = GalleryImage['predictions'][number];
type TruthObject = GalleryImage['truth'][number];

interface Shape extends Label {
  /** CSS classes: the judgment of a prediction; `truth` and `found` or `missed` for an object. */
  readonly kind: string;
  /** Score below which a prediction disappears, or at which an object is found. */
  readonly data: Markup | string;
  readonly title: string;
  readonly outlines: Prediction['outlines'];
}

/** Letters of a class name in a crowded picture. */
const shortName = 9;

/** Draws all shapes; objects that were found stay hidden until a reader asks for the ground truth. */
export function drawOverlay({ picture, truth, predictions }: GalleryImage): Markup {
  const { width, height } = picture;
  // Wrong predictions and missed objects get their labels first: they are what a reader looks for.
  const shapes = [
    ...predictions.filter(isWrong).map(shapeOfPrediction),
    ...truth.filter(({ found }) => !found).map(shapeOfObject),
    ...predictions.filter((one) => !isWrong(one)).map(shapeOfPrediction),
  ];
  const found = truth.filter((one) => one.found).map(shapeOfObject);
  const labels = placeLabels(shapes, picture);
  const foundLabels = placeLabels(found, picture);
  const all = [
    ...found.map((shape, index) => ({ shape, label: foundLabels[index] })),
    ...shapes.map((shape, index) => ({ shape, label: labels[index] })),
  ];
  // Large boxes first, so that small boxes inside them stay on top and can be hovered.
  const ordered = [...all].sort((a, b) => areaOf(b.shape) - areaOf(a.shape));
  return markup`<svg viewBox="0 0 ${width} ${height}" font-size="${fontSizeOf(picture)}" aria-hidden="true">${ordered.map(({ shape }) => drawShape(shape))}${all.map(
    ({ shape, label }) =>
      label === undefined
        ? ''
        : markup`<text class="${shape.kind}${label.isShown ? '' : ' spare'}"${shape.data} x="${label.x}" y="${label.y}">${label.text}</text>`,
  )}</svg>`;
}

/** Formats what a reader sees on hover: `dog 0.91: wrong class, the object is cat, IoU 0.82`. */
const formatPrediction = ({ class: name, score, outcome, iou, trueClass }: Prediction): string =>
  [
    `${name} ${score.toFixed(2)}: ${judgmentNames[outcome]}`,
    ...(trueClass === undefined ? [] : [`the object is ${trueClass}`]),
    ...(iou === undefined ? [] : [`IoU ${iou.toFixed(2)}`]),
  ].join(', ');

const formatObject = ({ class: name, found, foundScore }: TruthObject): string =>
  foundScore === undefined
    ? `Object ${name}: ${found ? 'found' : 'missed'}`
    : `Object ${name}: found with a score of ${foundScore.toFixed(2)}`;

export const isWrong = ({ outcome }: Prediction): boolean => outcome !== 'correct' && outcome !== 'ignored';

const shapeOfPrediction = (one: Prediction): Shape => {
  const mark = isWrong(one) ? '✗ ' : '';
  const score = one.score.toFixed(2);
  return {
    kind: one.outcome satisfies Judgment,
    data: markup` data-score="${one.score}"`,
    title: formatPrediction(one),
    box: one.box,
    outlines: one.outlines,
    texts: [`${mark}${one.class} ${score}`, `${mark}${shorten(one.class, shortName)} ${score}`],
  };
};

const shapeOfObject = (one: TruthObject): Shape => ({
  kind: `truth ${one.found ? 'found' : 'missed'}`,
  data: one.foundScore === undefined ? '' : markup` data-found="${one.foundScore}"`,
  title: formatObject(one),
  box: one.box,
  outlines: one.outlines,
  texts: [one.class, shorten(one.class, shortName)],
});

/** Draws a box twice, so that its line is visible on light and on dark pictures. */
function drawShape({ kind, data, title, box, outlines }: Shape): Markup {
  const [x, y, width, height] = box;
  const edge = `M${x} ${y}h${width}v${height}h${-width}z`;
  const mask = outlines.length === 0 ? '' : markup`<path class="mask" d="${outlines.map(traceOutline).join('')}"/>`;
  return markup`<g class="${kind}"${data}><title>${title}</title>${mask}<path class="under" d="${edge}"/><path class="edge" d="${edge}"/></g>`;
}

function traceOutline(outline: readonly number[]): string {
  const points = outline.flatMap((x, index) => (index % 2 === 0 ? `${x} ${outline[index + 1] ?? 0}` : []));
  return `M${points.join('L')}z`;
}

const areaOf = ({ box }: Shape): number => box[2] * box[3];
