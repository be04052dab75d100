import type { Analysis, TrainingBatch } from '../../../configs/schema/index.ts';
import { formatSteps, formatTrainingImage } from '../../shared/summary/format-training-image.ts';
import { formatPlural } from '../../shared/summary/format-time.ts';
import { type Markup, markup } from '../components/markup.ts';

export const trainingBatchStyle = markup`
.batch { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); margin: 1rem 0 2rem; }
.batch figcaption b { display: block; }
.batch .shot { cursor: auto; }
.batch figure { break-inside: avoid; }
`;

/** Renders the first images of the training; nothing in analyses of earlier versions. */
export function renderTrainingBatch(batch: Analysis['trainingBatch']): Markup | string {
  if (batch === undefined) return '';
  if (batch === null)
    return markup`<h3>Training batch</h3><p class="note">The first images of the training could not be drawn. The warnings of this report say why.</p>`;
  const { seed, images } = batch;
  return markup`<h3>Training batch</h3>
<p class="note">The first ${images.length === 1 ? 'image' : formatPlural(images.length, 'image')} of the training (${formatSteps(images)}, seed ${seed}) as the augmentation made them, with the boxes, masks and names that the model learned from. Gray is padding. Colors tell classes apart; crowds are not drawn.</p>
<div class="gallery batch">${images.map(renderImage)}</div>`;
}

const renderImage = (image: TrainingBatch['images'][number]): Markup => {
  const { picture, fileName, objects } = image;
  const alt = `${fileName}, augmented, with ${formatPlural(objects, 'object')}`;
  return markup`
<figure><div class="shot"><img src="data:image/jpeg;base64,${picture.image}" width="${picture.width}" height="${picture.height}" decoding="async" alt="${alt}"></div>
<figcaption><b>${fileName}</b> <span>${formatTrainingImage(image)}</span></figcaption></figure>`;
};
