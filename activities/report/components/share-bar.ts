import { formatCount } from '../../shared/summary/format-time.ts';
import { type Markup, markup } from './markup.ts';
import { roundCoordinate as round } from './round-coordinate.ts';

/** Part of a bar. `kind` is the CSS class of its color, `label` is shown on hover. */
export interface BarPart {
  readonly kind: string;
  readonly value: number;
  readonly label: string;
}

/** Size in SVG units; the page stretches the bar to the available width. */
const size = { width: 300, height: 10 };

/** Draws a bar of several parts. `total` is the value of its full length, `name` its accessible name. */
export function drawBar(name: string, parts: readonly BarPart[], total: number): Markup {
  let at = 0;
  const drawn = parts.map(({ kind, value, label }) => {
    const start = at;
    at += total > 0 ? (size.width * Math.max(0, value)) / total : 0;
    const width = round(at) - round(start);
    if (width <= 0) return '';
    return markup`<rect class="${kind}" x="${round(start)}" y="0" width="${round(width)}" height="${size.height}"><title>${label}</title></rect>`;
  });
  return markup`<svg class="bar" viewBox="0 0 ${size.width} ${size.height}" preserveAspectRatio="none" role="img" aria-label="${name}"><rect class="ground" x="0" y="0" width="${size.width}" height="${size.height}"/>${drawn}</svg>`;
}

/** COCO's sizes of objects. */
export const objectSizes = ['small', 'medium', 'large'] as const;

/** Lists the parts of a bar by size of the objects. */
export const listSizeParts = (counts: Record<(typeof objectSizes)[number], number>, what?: string): BarPart[] =>
  objectSizes.map((one) => ({
    kind: `size-${one}`,
    value: counts[one],
    label: `${what === undefined ? '' : `${what}, `}${one}: ${formatCount(counts[one])}`,
  }));

/** Draws a colored square with its name. */
export const drawBarKey = (kind: string, name: string): Markup =>
  markup`<span class="key"><svg class="square" viewBox="0 0 12 12" aria-hidden="true"><rect class="${kind}" x="1" y="1" width="10" height="10"/></svg>${name}</span> `;
