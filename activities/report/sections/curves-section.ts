import type { ReferenceResult, Report, TimelineEvent } from '../../../configs/schema/index.ts';
import { maximum, minimum, spansDecades } from '../components/axis.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { CurvePoint } from '../components/downsample.ts';
import { movingMean } from '../components/moving-mean.ts';
import { checkpointPosition } from '../../shared/summary/checkpoint-name.ts';
import { findBestEpoch, findTestedEpoch } from './best-epoch.ts';
import { renderLossParts } from './loss-parts.ts';
import { formatNumber } from '../components/format-number.ts';
import { eventNames } from './run-facts.ts';
import { formatPoints } from '../../shared/summary/format-score.ts';
import { renderFigure } from '../components/figure.ts';
import type { Section } from '../components/section.ts';
import type { Chart, Level, Mark } from '../components/svg-chart.ts';
import { formatPlural } from '../../shared/summary/format-time.ts';

type LossPoint = Report['curves']['loss'][number];

/** A finished run also has the metrics of its test, which name the tested checkpoint. */
type Curves = Pick<Report, 'curves' | 'timeline' | 'references'> & Partial<Pick<Report, 'metrics'>>;

/** With fewer points, the mean of neighbors would hide more than it shows. */
const leastSmoothed = 40;

export const renderCurves = (report: Report): Section => ({
  id: 'curves',
  title: 'Curves',
  body: renderCurveFigures(report),
});

/** Renders loss, learning rate and AP, with marks where the run was interrupted and resumed. */
export const renderCurveFigures = (run: Curves): Markup => markup`${renderFigure(chartLoss(run))}
${renderFigure(chartLearningRate(run))}
${renderFigure(chartAp(run))}
${renderLossParts(run.curves.parts)}`;

const chartLoss = ({ curves, timeline, metrics }: Curves): Chart => {
  const axes = { id: 'loss', title: 'Training loss', name: 'loss' };
  const chart = chartOverIterations(axes, curves.loss, (at) => at.loss, timeline);
  const tested = metrics && checkpointPosition(metrics.checkpoint);
  return {
    ...chart,
    series: chart.series.map((one) => ({ ...one, smooth: smoothCurve(one.points) })),
    marks: [...chart.marks, ...(tested === undefined ? [] : [markTested(tested.iteration, metrics)])],
  };
};

/** Averages each point with its neighbors: a fiftieth of the curve. */
function smoothCurve(points: readonly CurvePoint[]): readonly CurvePoint[] | undefined {
  return points.length < leastSmoothed ? undefined : movingMean(points, Math.max(5, Math.round(points.length / 50)));
}

const markTested = (x: number, metrics: Curves['metrics']): Mark => ({
  x,
  kind: 'tested',
  what: `tested checkpoint: ${metrics?.checkpoint ?? ''}`,
});

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

function chartAp({ curves, timeline, references, metrics }: Curves): Chart {
  const last = curves.ap.at(-1);
  const best = findBestEpoch(curves.ap);
  const tested = metrics && findTestedEpoch({ metrics });
  const marks: Mark[] = [
    ...(last && last.epoch > 0 ? markTimeline(timeline, last.iteration / last.epoch) : []),
    ...(best === undefined
      ? []
      : [
          {
            x: best.epoch,
            kind: 'best' as const,
            what: `best epoch: ${best.epoch}, box AP ${formatPoints(best.bbox)}`,
          },
        ]),
    ...(tested === undefined || curves.ap.length === 0 ? [] : [markTested(tested, metrics)]),
  ];
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
