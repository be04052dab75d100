import type { Predictions } from '../../configs/schema/index.ts';
import { formatPlural } from '../shared/summary/format-time.ts';
import { type Markup, markup } from '../report/components/markup.ts';
import { renderPage } from '../report/components/page.ts';
import type { Section } from '../report/components/section.ts';

type Predicted = Extract<Predictions, { ok: true }>;

interface PredictionPage {
  /** The detector, as the user named it. */
  source: string;
  /** Lowest score of a detection. */
  score: number;
  /** Sentence about the AP of the detector, if its model card states one. */
  quality: string | undefined;
  predictions: Predicted;
}

/** Renders the gallery of predictions. Its pictures are files next to it. */
export const renderPredictions = ({ source, score, quality, predictions }: PredictionPage): string =>
  renderPage({
    kind: 'Predictions by everswin',
    title: source,
    summary: markup`<p class="verdict">${summarizePredictions(predictions)}</p>
<p class="note">${quality ?? ''} Detections with a score of at least ${score}. results.json holds all of them in COCO's format, images.json the images and classes that its IDs name.</p>`,
    sections: [renderSkipped(predictions), renderPictures(predictions)].filter((one) => one !== undefined),
    allowImages: true,
  });

/** Formats `12 images, 34 detections`. */
export const summarizePredictions = ({ images, detections, skipped }: Predicted): string =>
  [
    formatPlural(images.length, 'image'),
    formatPlural(detections, 'detection'),
    ...(skipped.length > 0 ? [`${skipped.length} skipped`] : []),
  ].join(', ');

const renderSkipped = ({ skipped }: Predicted): Section | undefined =>
  skipped.length === 0
    ? undefined
    : {
        id: 'skipped',
        title: 'Skipped',
        body: markup`<ul>${skipped.map(({ file, reason }) => markup`<li><b>${file}</b> ${reason}</li>`)}</ul>`,
      };

const renderPictures = ({ images }: Predicted): Section => ({
  id: 'pictures',
  title: 'Pictures',
  body: markup`<div class="gallery">${images.map(renderImage)}</div>`,
});

function renderImage({ file, picture, width, height, found }: Predicted['images'][number]): Markup {
  const counts = Object.entries(found).sort(([, a], [, b]) => b - a);
  const text = counts.map(([name, count]) => `${count} ${name}`).join(', ') || 'nothing found';
  const address = picture.split('/').map(encodeURIComponent).join('/');
  return markup`
<figure><a class="shot" href="${address}"><img src="${address}" width="${width}" height="${height}" loading="lazy" alt="Predictions in ${file}: ${text}"></a>
<figcaption><b>${file}</b> <span>${text}</span></figcaption></figure>`;
}
