import type { Report, TimelineEvent } from '../../../configs/schema.ts';
import { maximum, minimum, spansDecades } from './axis.ts';
import { type Markup, markup } from './markup.ts';
import { formatNumber } from './number-text.ts';
import { kindNames } from './run-facts.ts';
import { formatPoints } from '../../../configs/coco-score.ts';
import { type Chart, drawChart, type Mark } from './svg-chart.ts';
import { formatPlural } from '../../../configs/time-text.ts';

type LossPoint = Report['curves']['loss'][number];

/** Loss, learning rate and AP over the run, with a mark where it stopped and where it went on. */
export const drawCurves = (report: Report): Markup => markup`<section>
<h2>Curves</h2>
${drawFigure(chartLoss(report))}
${drawFigure(chartLearningRate(report))}
${drawFigure(chartAp(report))}
</section>`;

const drawFigure = (chart: Chart): Markup => markup`<figure>
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

const chartLoss = ({ curves, timeline }: Report): Chart =>
  chartOverIterations({ id: 'loss', title: 'Training loss', name: 'loss' }, curves.loss, (at) => at.loss, timeline);

const chartLearningRate = ({ curves, timeline }: Report): Chart =>
  chartOverIterations(
    { id: 'learning-rate', title: 'Learning rate', name: 'learning rate' },
    curves.loss,
    (at) => at.lr,
    timeline,
  );

function chartOverIterations(
  { id, title, name }: { id: string; title: string; name: string },
  curve: readonly LossPoint[],
  pick: (at: LossPoint) => number | null,
  timeline: readonly TimelineEvent[],
): Chart {
  const points = curve.map((at) => ({ x: at.iteration, y: pick(at) }));
  const marks = markTimeline(timeline, 1);
  const isLog = spansDecades(points.flatMap(({ y }) => y ?? []));
  return {
    id,
    title,
    description: `${describeCurve(name, points, 'iteration')} ${describeMarks(marks)}`,
    xLabel: 'iteration',
    yLabel: isLog ? `${name}, log scale` : name,
    yScale: isLog ? 'log' : 'linear-from-zero',
    series: [{ name, points }],
    marks,
  };
}

function chartAp({ curves, timeline }: Report): Chart {
  const last = curves.ap.at(-1);
  const marks = last && last.epoch > 0 ? markTimeline(timeline, last.iteration / last.epoch) : [];
  const series = [
    { name: 'box AP', points: curves.ap.map(({ epoch, bbox }) => ({ x: epoch, y: inPoints(bbox) })) },
    { name: 'mask AP', points: curves.ap.map(({ epoch, segm }) => ({ x: epoch, y: inPoints(segm) })) },
  ];
  return {
    id: 'ap',
    title: 'AP after each epoch',
    description: `${series.map(({ name, points }) => describeCurve(name, points, 'epoch')).join(' ')} ${describeMarks(marks)}`,
    xLabel: 'epoch',
    yLabel: 'AP, points',
    yScale: 'linear-from-zero',
    series,
    marks,
  };
}

const inPoints = (score: number | null): number | null => (score === null ? null : Number(formatPoints(score)));

/** One mark for each interruption and each new beginning that has a place on the axis. */
const markTimeline = (timeline: readonly TimelineEvent[], iterationsPerUnit: number): Mark[] =>
  timeline.flatMap(({ kind, iteration, what }) => {
    const markKind = markKinds[kind];
    if (markKind === null || iteration === null) return [];
    const place = `iteration ${formatNumber(iteration)}`;
    return { x: iteration / iterationsPerUnit, kind: markKind, what: `${kindNames[kind]} at ${place}: ${what}` };
  });

const markKinds: Record<TimelineEvent['kind'], Mark['kind'] | null> = {
  started: null,
  resumed: 'go',
  adopted: 'go',
  crashed: 'stop',
  hung: 'stop',
  'worker-lost': 'stop',
  'process-died': 'stop',
  preempted: 'stop',
  finished: null,
  tested: null,
};

function describeCurve(name: string, points: Chart['series'][number]['points'], unit: string): string {
  const values = points.flatMap(({ x, y }) => (y === null ? [] : { x, y }));
  const [first, last] = [values[0], values.at(-1)];
  if (!first || !last) return `No ${name} was recorded.`;
  const all = values.map(({ y }) => y);
  const range = `between ${formatNumber(minimum(all))} and ${formatNumber(maximum(all))}`;
  return `The ${name} goes from ${formatNumber(first.y)} at ${unit} ${formatNumber(first.x)} to ${formatNumber(last.y)} at ${unit} ${formatNumber(last.x)}, always ${range}.`;
}

function describeMarks(marks: readonly Mark[]): string {
  const stops = marks.filter(({ kind }) => kind === 'stop').length;
  return stops > 0 ? `Marked: ${formatPlural(stops, 'interruption')}.` : 'There was no interruption.';
}
