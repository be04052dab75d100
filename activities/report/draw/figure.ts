import { type Markup, markup } from './markup.ts';
import { type Chart, drawChart, type Mark } from './svg-chart.ts';

/** Draws a chart with title and legend. */
export const drawFigure = (chart: Chart): Markup => markup`<figure>
<figcaption><b>${chart.title}</b><span class="legend">${drawLegend(chart)}</span></figcaption>
${drawChart(chart)}
</figure>`;

function drawLegend({ series, marks }: Chart): Markup[] {
  const lines = series.length > 1 ? series.map(({ name }, index) => drawKey(`s${index + 1}`, 'M1 6h16', name)) : [];
  const stop = drawKey('stop', 'M9 0v12', 'interrupted');
  const go = drawKey('go', 'M9 2l4.5 9h-9z', 'resumed or adopted');
  const has = (kind: Mark['kind']): boolean => marks.some((mark) => mark.kind === kind);
  return [...lines, ...(has('stop') ? [stop] : []), ...(has('go') ? [go] : [])];
}

const drawKey = (kind: string, shape: string, name: string): Markup =>
  markup`<span class="key"><svg class="${kind}" viewBox="0 0 18 12" aria-hidden="true"><path d="${shape}"/></svg>${name}</span> `;
