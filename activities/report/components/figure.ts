import { type Markup, markup } from './markup.ts';
import { type Chart, drawChart, type Mark } from './svg-chart.ts';

/** Renders a chart with title and legend. */
export const renderFigure = (chart: Chart): Markup => markup`<figure>
<figcaption><b>${chart.title}</b><span class="legend">${renderLegend(chart)}</span></figcaption>
${drawChart(chart)}
</figure>`;

function renderLegend({ series, marks }: Chart): Markup[] {
  const lines = series.length > 1 ? series.map(({ name }, index) => renderKey(`s${index + 1}`, 'M1 6h16', name)) : [];
  const stop = renderKey('stop', 'M9 0v12', 'interrupted');
  const go = renderKey('go', 'M9 2l4.5 9h-9z', 'resumed or adopted');
  const has = (kind: Mark['kind']): boolean => marks.some((mark) => mark.kind === kind);
  return [...lines, ...(has('stop') ? [stop] : []), ...(has('go') ? [go] : [])];
}

const renderKey = (kind: string, shape: string, name: string): Markup =>
  markup`<span class="key"><svg class="${kind}" viewBox="0 0 18 12" aria-hidden="true"><path d="${shape}"/></svg>${name}</span> `;
