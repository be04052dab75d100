import { apKinds } from '../../shared/summary/coco-rows.ts';
import { type Analysis, type ErrorAnalysis, type ErrorKind, errorKinds } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { drawBar, drawBarKey, listSizeParts, objectSizes as sizes } from '../components/share-bar.ts';
import { formatCount } from '../../shared/summary/format-time.ts';

type BySize = ErrorAnalysis['found'];

const meanings: Record<ErrorKind, string> = {
  localization: 'correct class, but IoU with the object is only 0.1 to 0.5',
  class: 'correct position, but wrong class',
  both: 'wrong class, and IoU is only 0.1 to 0.5',
  duplicate: 'object was already detected',
  background: 'no object at this position',
  missed: 'object without any detection',
};

/** Renders errors by kind and object size, for boxes and masks. */
export const renderErrors = ({ errors, scoreThreshold }: Analysis): Section => ({
  id: 'errors',
  title: 'Errors',
  body: markup`<p>${formatErrors(errors.bbox)}</p>
<p class="legend">${sizes.map((size) => drawBarKey(`size-${size}`, size))}</p>
${apKinds.map(
  ({ key, plural }) => markup`<h3>${plural}</h3>
<div class="scroll" role="region" aria-label="Errors of ${plural.toLowerCase()}" tabindex="0"><table class="plain errors"><thead><tr><th scope="col">Error</th><th scope="col" class="number">AP50 lost</th><th scope="col" class="number">Count</th><th scope="col">By size</th></tr></thead>
<tbody>${rankErrors(errors[key]).map((kind) => renderErrorKind(kind, errors[key]))}</tbody></table></div>
${renderFoundObjects(errors[key], plural.toLowerCase())}`,
)}
<p class="note">Error kinds follow TIDE (arXiv 2008.08115) at IoU 0.5. AP50 lost is the gain in AP50, over all detections, if only errors of this kind were fixed. Counts include detections with a score of at least ${scoreThreshold}. Sizes follow COCO: small up to 32 × 32 pixels, medium up to 96 × 96.</p>`,
});

/** Names the most costly errors in a sentence. */
export function formatErrors(errors: ErrorAnalysis): string {
  const [first, second] = rankErrors(errors);
  if (first === undefined || second === undefined) return '';
  const formatCost = (kind: ErrorKind): string => `${kind} (${formatLoss(errors.kinds[kind].ap50Lost)} points of AP50)`;
  const bySize = sizes
    .filter((size) => errors.objects[size] > 0)
    .map((size) => `${Math.round((100 * errors.found[size]) / errors.objects[size])} % of ${size}`);
  const found = bySize.length > 0 ? ` Detected: ${bySize.join(', ')} objects.` : '';
  // Smaller losses round to 0.0 in the table of AP.
  if ((errors.kinds[first].ap50Lost ?? 0) < 0.0005)
    return `Every kind of error costs less than 0.1 points of AP50.${found}`;
  return `The most costly box errors are ${formatCost(first)} and ${formatCost(second)}.${found}`;
}

/** Sorts error kinds by AP50 lost, largest first. */
export const rankErrors = ({ kinds }: ErrorAnalysis): ErrorKind[] =>
  [...errorKinds].sort((a, b) => (kinds[b].ap50Lost ?? 0) - (kinds[a].ap50Lost ?? 0));

function renderErrorKind(kind: ErrorKind, { kinds }: ErrorAnalysis): Markup {
  const { count, ap50Lost } = kinds[kind];
  const most = Math.max(1, ...errorKinds.map((one) => sumSizes(kinds[one].count)));
  const name = `${kind}: ${sizes.map((size) => `${formatCount(count[size])} ${size}`).join(', ')}`;
  return markup`
<tr><th scope="row"><b>${kind}</b> <span>${meanings[kind]}</span></th><td class="number">${formatLoss(ap50Lost)}</td><td class="number">${formatCount(sumSizes(count))}</td><td class="wide">${drawBar(name, listSizeParts(count, kind), most)}</td></tr>`;
}

const renderFoundObjects = ({ objects, found }: ErrorAnalysis, what: string): Markup =>
  markup`<div class="scroll" role="region" aria-label="Objects found by size, ${what}" tabindex="0"><table class="plain errors"><thead><tr><th scope="col">Objects found</th><th scope="col" class="number">Share</th><th scope="col" class="number">Total</th><th scope="col"><span class="unseen">Share as a bar</span></th></tr></thead>
<tbody>${sizes.map((size) => {
    const share = objects[size] > 0 ? `${((100 * found[size]) / objects[size]).toFixed(1)} %` : '–';
    const label = `${formatCount(found[size])} of ${formatCount(objects[size])} ${size} objects found`;
    return markup`
<tr><th scope="row"><b>${size}</b></th><td class="number">${share}</td><td class="number">${formatCount(objects[size])}</td><td class="wide">${drawBar(label, [{ kind: `size-${size}`, value: found[size], label }], objects[size])}</td></tr>`;
  })}</tbody></table></div>`;

const sumSizes = ({ small, medium, large }: BySize): number => small + medium + large;
const formatLoss = (share: number | null): string => (share === null ? '–' : (100 * share).toFixed(1));
