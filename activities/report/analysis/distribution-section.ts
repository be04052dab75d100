import type { Analysis, SplitDistribution } from '../../../configs/schema/index.ts';
import { formatCount, formatPlural } from '../../shared/summary/format-time.ts';
import { maximum, sum } from '../components/axis.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { renderTrainingBatch } from './training-batch.ts';
import { drawBar, drawBarKey, listSizeParts, objectSizes as sizes } from '../components/share-bar.ts';

const maxRows = 200;

/** Renders how objects are distributed over classes and sizes, and the first images of the training; undefined for older analyses. */
export function renderDistribution({ distribution, classes, trainingBatch }: Analysis): Section | undefined {
  if (distribution === undefined) return undefined;
  const { train, val } = distribution;
  const names = classes.map(({ name }) => name);
  return {
    id: 'data',
    title: 'Data',
    body: markup`<p>${formatDistribution(names, train, val)}</p>
<p class="legend">${sizes.map((size) => drawBarKey(`size-${size}`, size))}</p>
<div class="scroll" role="region" aria-label="Objects by size" tabindex="0"><table class="plain errors"><thead><tr><th scope="col">Split</th><th scope="col" class="number">Images</th><th scope="col" class="number">Without objects</th><th scope="col" class="number">Objects</th>${sizes.map((size) => markup`<th scope="col" class="number">${size}</th>`)}<th scope="col">By size</th></tr></thead>
<tbody>${train === null ? '' : renderSplit('train', train)}${renderSplit('val', val)}</tbody></table></div>
${renderTrainingBatch(trainingBatch)}
${renderClasses(names, train, val)}
<p class="note">Objects are those of the prepared data set, without crowds. Sizes follow COCO: small up to 32 × 32 pixels, medium up to 96 × 96. Bars compare classes within a split.${train === null ? ' The training split was prepared by an earlier version, so its objects are not counted.' : ''}${names.length > maxRows ? ` The ${formatCount(names.length - maxRows)} rarest classes are omitted; analysis.json lists all.` : ''}</p>`,
  };
}

/** Names the most frequent and the rarest class of the training split, or of the validation split without it. */
export function formatDistribution(
  names: readonly string[],
  train: SplitDistribution | null,
  val: SplitDistribution,
): string {
  const { objects } = train ?? val;
  const ranked = rankByObjects(names.length, objects);
  const [most, least] = [ranked[0], ranked.at(-1)];
  if (most === undefined || least === undefined) return 'There are no classes.';
  const nameOne = (index: number): string => `${names[index] ?? ''} (${formatPlural(objects[index] ?? 0, 'object')})`;
  const place = train === null ? 'validation' : 'training';
  const missing = val.objects.filter((count) => count === 0).length;
  return (
    (ranked.length === 1
      ? `The ${place} split has one class: ${nameOne(most)}.`
      : `In the ${place} split, ${nameOne(most)} is the most frequent class and ${nameOne(least)} the rarest.`) +
    (missing > 0 ? ` Classes without objects in the validation split: ${formatCount(missing)}.` : '')
  );
}

const rankByObjects = (classes: number, objects: readonly number[]): number[] =>
  Array.from({ length: classes }, (_, index) => index).sort((a, b) => (objects[b] ?? 0) - (objects[a] ?? 0));

function renderSplit(name: string, { images, emptyImages, objects, sizes: bySize }: SplitDistribution): Markup {
  const total = sum(objects);
  return markup`
<tr><th scope="row"><b>${name}</b></th><td class="number">${formatCount(images)}</td><td class="number">${formatCount(emptyImages)}</td><td class="number">${formatCount(total)}</td>${sizes.map(
    (size) => markup`<td class="number">${total > 0 ? `${((100 * bySize[size]) / total).toFixed(1)} %` : '–'}</td>`,
  )}<td class="wide">${drawBar(`${name} objects by size`, listSizeParts(bySize), total)}</td></tr>`;
}

function renderClasses(names: readonly string[], train: SplitDistribution | null, val: SplitDistribution): Markup {
  const splits = [...(train === null ? [] : [['Train', train] as const]), ['Val', val] as const].map(
    ([title, { objects }]) => ({ title, objects, most: maximum(objects) }),
  );
  const order = rankByObjects(names.length, (train ?? val).objects).slice(0, maxRows);
  return markup`
<div class="scroll tall" role="region" aria-label="Objects by class" tabindex="0"><table class="plain classes sortable"><thead><tr><th scope="col" data-sort="text">Class</th>${splits.map(
    ({ title }, index) =>
      markup`<th scope="col" class="number" data-sort="number"${index === 0 ? markup` aria-sort="descending"` : ''}>${title} objects</th><th scope="col"><span class="unseen">${title} as a bar</span></th>`,
  )}</tr></thead>
<tbody>${order.map(
    (index) => markup`
<tr><th scope="row">${names[index] ?? ''}</th>${splits.map(({ title, objects, most }) => {
      const count = objects[index] ?? 0;
      const label = `${title}: ${formatPlural(count, 'object')}`;
      return markup`<td class="number" data-value="${count}">${formatCount(count)}</td><td class="wide">${drawBar(label, [{ kind: 'size-small', value: count, label }], most)}</td>`;
    })}</tr>`,
  )}</tbody></table></div>`;
}
