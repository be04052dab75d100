import { formatScore } from '../../shared/summary/format-score.ts';
import type { Analysis, ClassAnalysis } from '../../../configs/schema/index.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { formatCount } from '../../shared/summary/format-time.ts';
import { drawApStrip, drawSpark } from './class-strip.ts';

/** Limits the size of the page; readers care most about the weakest classes. */
const maxRows = 400;

/** Lists classes with scores and counts, weakest first. */
export function renderClasses({ classes, bootstrap }: Analysis): Section {
  const ranked = rankClasses(classes);
  const shown = ranked.slice(0, maxRows);
  return {
    id: 'classes',
    title: 'Classes',
    body: markup`<p>${formatExtremes(ranked)}</p>
<div class="scroll tall" role="region" aria-label="Average precision of each class" tabindex="0"><table class="plain classes sortable">
<thead><tr><th scope="col" data-sort="text">Class</th><th scope="col" class="number" data-sort="number">Images</th><th scope="col" class="number" data-sort="number">Objects</th><th scope="col" class="number" data-sort="number" aria-sort="ascending">Box AP</th><th scope="col" class="number" data-sort="number">Mask AP</th><th scope="col" class="whole"><span class="key s1dot">box</span> <span class="key s2dot">mask</span> 0 to 1</th><th scope="col" class="number" data-sort="number">Box AP50</th><th scope="col" class="number" data-sort="number">Mask AP50</th><th scope="col">Precision / recall</th></tr></thead>
<tbody>${shown.map(renderClassRow)}</tbody></table></div>
<p class="note">Weakest class first.${bootstrap ? ' Lines show 95 % bootstrap intervals over images.' : ''} Objects are ground truth without crowds. Precision and recall are at IoU 0.5, from 0 to 1.${ranked.length > maxRows ? ` The ${formatCount(ranked.length - maxRows)} strongest classes are omitted; analysis.json lists all.` : ''}</p>`,
  };
}

/** Sorts by box AP. Classes without ground truth come last. */
export const rankClasses = (classes: readonly ClassAnalysis[]): ClassAnalysis[] =>
  [...classes].sort((a, b) => (a.bbox.AP ?? 2) - (b.bbox.AP ?? 2) || b.instances - a.instances);

/** Names the weakest and the strongest classes in a sentence. */
export function formatExtremes(ranked: readonly ClassAnalysis[]): string {
  const known = ranked.filter(({ bbox }) => bbox.AP !== null);
  const nameSome = (some: readonly ClassAnalysis[]): string =>
    some.map(({ name, bbox }) => `${name} (${formatScore(bbox.AP)})`).join(', ');
  if (known.length === 0) return 'No class has ground truth.';
  const most = Math.min(3, Math.max(1, Math.floor(known.length / 2)));
  const without = ranked.length - known.length;
  return (
    `Box AP is lowest for ${nameSome(known.slice(0, most))}` +
    (known.length > most ? ` and highest for ${nameSome(known.slice(-most).reverse())}.` : '.') +
    (without > 0 ? ` Classes without ground truth: ${formatCount(without)}.` : '')
  );
}

const renderClassRow = (one: ClassAnalysis): Markup => markup`
<tr><th scope="row">${one.name}</th><td class="number" data-value="${one.images}">${formatCount(one.images)}</td><td class="number" data-value="${one.instances}">${formatCount(one.instances)}</td>${renderScore(one.bbox.AP)}${renderScore(one.segm.AP)}<td>${drawApStrip(one)}</td>${renderScore(one.bbox.AP50)}${renderScore(one.segm.AP50)}<td>${drawSpark(one)}</td></tr>`;

const renderScore = (score: number | null): Markup =>
  markup`<td class="number" data-value="${score ?? ''}">${formatScore(score)}</td>`;
