import type { ReferenceResult, Report, TimelineEvent } from '../../../configs/schema/index.ts';
import { maximum, minimum, spansDecades } from '../components/axis.ts';
import { type Markup, markup } from '../components/markup.ts';
import { formatNumber } from '../components/format-number.ts';
import { eventNames } from './run-facts.ts';
import { formatPoints } from '../../shared/summary/format-score.ts';
import { renderFigure } from '../components/figure.ts';
import type { Section } from '../components/section.ts';
import type { Chart, Level, Mark } from '../components/svg-chart.ts';
import { formatPlural } from '../../shared/summary/format-time.ts';

type LossPoint = Report['curves']['loss'][number];

type Curves = Pick<Report, 'curves' | 'timeline' | 'references'>;

export const renderCurves = (report: Report): Section => ({
  id: 'curves',
  title: 'Curves',
  body: renderCurveFigures(report),
});

/** Renders loss, learning rate and AP, with marks where the run was interrupted and resumed. */
export const renderCurveFigures = (run: Curves): Markup => markup`${renderFigure(chartLoss(run))}
${renderFigure(chartLearningRate(run))}
${renderFigure(chartAp(run))}`;

const chartLoss = ({ curves, timeline }: Curves): Chart =>
  chartOverIterations({ id: 'loss', title: 'Training loss', name: 'loss' }, curves.loss, (at) => at.loss, timeline);

const chartLearningRate = ({ curves, timeline }: Curves): Chart =>
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
    description: `${formatCurve(name, points, 'iteration')} ${formatMarks(marks)}`,
    xLabel: 'iteration',
    yLabel: isLog ? `${name}, log scale` : name,
    yScale: isLog ? 'log' : 'linear-from-zero',
    series: [{ name, points }],
    marks,
  };
}

function chartAp({ curves, timeline, references }: Curves): Chart {
  const last = curves.ap.at(-1);
  const marks = last && last.epoch > 0 ? markTimeline(timeline, last.iteration / last.epoch) : [];
  const series = [
    { name: 'box AP', points: curves.ap.map(({ epoch, bbox }) => ({ x: epoch, y: inPoints(bbox) })) },
    { name: 'mask AP', points: curves.ap.map(({ epoch, segm }) => ({ x: epoch, y: inPoints(segm) })) },
  ];
  return {
    id: 'ap',
    title: 'AP after each epoch',
    description: `${series.map(({ name, points }) => formatCurve(name, points, 'epoch')).join(' ')} ${formatMarks(marks)}`,
    xLabel: 'epoch',
    yLabel: 'AP, points',
    yScale: 'linear-from-zero',
    series,
    marks,
    levels: listLevels(references[0]),
  };
}

/** Draws the first reference as horizontal lines. */
function listLevels(reference: ReferenceResult | undefined): Level[] {
  if (reference === undefined) return [];
  const scores = [
    ['box', 'above', reference.bbox.AP],
    ['mask', 'below', reference.segm.AP],
  ] as const;
  return scores.flatMap(([kind, side, score]) =>
    score == null
      ? []
      : {
          y: Number(formatPoints(score)),
          side,
          name: `${kind === 'box' ? `${reference.label}: ` : ''}${kind} ${formatPoints(score)}`,
        },
  );
}

const inPoints = (score: number | null): number | null => (score === null ? null : Number(formatPoints(score)));

/** Marks each interruption and resume whose iteration is known. */
const markTimeline = (timeline: readonly TimelineEvent[], iterationsPerUnit: number): Mark[] =>
  timeline.flatMap(({ kind, iteration, what }) => {
    const markKind = markKinds[kind];
    if (markKind === null || iteration === null) return [];
    const place = `iteration ${formatNumber(iteration)}`;
    return { x: iteration / iterationsPerUnit, kind: markKind, what: `${eventNames[kind]} at ${place}: ${what}` };
  });

const markKinds: Record<TimelineEvent['kind'], Mark['kind'] | null> = {
  started: null,
  resumed: 'go',
  adopted: 'go',
  crashed: 'stop',
  hung: 'stop',
  'worker-lost': 'stop',
  'process-died': 'stop',
  'gpu-health': null,
  preempted: 'stop',
  finished: null,
  tested: null,
};

function formatCurve(name: string, points: Chart['series'][number]['points'], unit: string): string {
  const values = points.flatMap(({ x, y }) => (y === null ? [] : { x, y }));
  const [first, last] = [values[0], values.at(-1)];
  if (!first || !last) return `No ${name} was recorded.`;
  const all = values.map(({ y }) => y);
  const range = `between ${formatNumber(minimum(all))} and ${formatNumber(maximum(all))}`;
  return `The ${name} changes from ${formatNumber(first.y)} at ${unit} ${formatNumber(first.x)} to ${formatNumber(last.y)} at ${unit} ${formatNumber(last.x)} and stays ${range}.`;
}

function formatMarks(marks: readonly Mark[]): string {
  const stops = marks.filter(({ kind }) => kind === 'stop').length;
  return stops > 0 ? `Marked: ${formatPlural(stops, 'interruption')}.` : 'No interruptions.';
}
