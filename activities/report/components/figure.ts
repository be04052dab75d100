import { type Markup, markup } from './markup.ts';
import { type Chart, drawChart, type Mark } from './svg-chart.ts';

/** Renders a chart with title and legend. */
export const renderFigure = (
  chart: Chart,
): Markup => markup`<figure${chart.isOverlaid === true ? markup` class="overlaid"` : ''}>
<figcaption><b>${chart.title}</b><span class="legend">${renderLegend(chart)}${chart.series.some(({ smooth }) => smooth !== undefined) ? renderSwitch() : ''}</span></figcaption>
${drawChart(chart)}
</figure>`;

/** Renders the switch of the smoothed lines, which works without scripts. */
const renderSwitch = (): Markup => markup`<label class="switch"><input type="checkbox" checked> smooth</label>`;

function renderLegend({ series, marks }: Chart): Markup[] {
  const lines = series.length > 1 ? series.map(({ name }, index) => renderKey(`s${index + 1}`, 'M1 6h16', name)) : [];
  const keys = markKeys.filter(([kind]) => marks.some((mark) => mark.kind === kind));
  return [...lines, ...keys.map(([kind, shape, name]) => renderKey(kind, shape, name))];
}

const markKeys: readonly (readonly [Mark['kind'], string, string])[] = [
  ['stop', 'M9 0v12', 'interrupted'],
  ['go', 'M9 2l4.5 9h-9z', 'resumed or adopted'],
  ['best', 'M9 1l5 5l-5 5l-5 -5z', 'best'],
  ['tested', 'M5 2h8v8h-8z', 'tested checkpoint'],
];

const renderKey = (kind: string, shape: string, name: string): Markup =>
  markup`<span class="key"><svg class="${kind}" viewBox="0 0 18 12" aria-hidden="true"><path d="${shape}"/></svg>${name}</span> `;
