import { type Axis, linearAxis, logAxis, tightAxis } from './axis.ts';
import { type CurvePoint, downsample } from './downsample.ts';
import { type Markup, markup } from './markup.ts';
import { formatNumber } from './format-number.ts';
import { roundCoordinate as round } from './round-coordinate.ts';

interface Series {
  readonly name: string;
  readonly points: readonly CurvePoint[];
  /** Smoothed values, which readers can switch off. */
  readonly smooth?: readonly CurvePoint[] | undefined;
}

/** Marks where training stopped or resumed, the best value, or the tested checkpoint. */
export interface Mark {
  readonly x: number;
  readonly kind: 'stop' | 'go' | 'best' | 'tested';
  readonly what: string;
}

export interface Chart {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly yScale: 'linear' | 'log' | 'linear-from-zero' | 'share';
  readonly series: readonly Series[];
  readonly marks: readonly Mark[];
  /** Horizontal reference lines. */
  readonly levels?: readonly Level[];
  /** Scale of the horizontal axis; `count` (integers) by default. */
  readonly xScale?: 'count' | 'share';
  /** Draws lines with different dashes, so that those that coincide stay visible. */
  readonly isOverlaid?: boolean;
  /** Halves the width, so that two charts fit side by side. */
  readonly isHalf?: boolean;
}

export interface Level {
  readonly y: number;
  readonly name: string;
  readonly side: 'above' | 'below';
}

const height = 290;
const widths = { whole: 720, half: 460 };
const edges = { left: 62, right: 20, top: 34, bottom: 236 };
const plotHeight = edges.bottom - edges.top;
const maxPoints = 600;
const maxDots = 60;

/** Draws a line chart without scripts. Values appear on hover; the description serves screen readers. */
export function drawChart(chart: Chart): Markup {
  const reduce = (points: readonly CurvePoint[]): readonly CurvePoint[] =>
    downsample(omitInvalidPoints(points, chart.yScale), maxPoints);
  const series = chart.series.map(({ name, points, smooth }) => ({
    name,
    points: reduce(points),
    smooth: smooth && reduce(smooth),
  }));
  const frame = frameChart(chart, series);
  return markup`<svg class="${chart.isHalf === true ? 'half' : 'whole'}" viewBox="0 0 ${widthOf(chart)} ${height}" role="img" aria-labelledby="${chart.id}-title ${chart.id}-description">
<title id="${chart.id}-title">${chart.title}</title>
<desc id="${chart.id}-description">${chart.description}</desc>
${drawAxes(chart, frame)}
${(chart.levels ?? []).map((level) => drawLevel(level, frame))}
${series.map(
  ({ points, smooth }, index) =>
    markup`${drawLine(points, index, frame, smooth && 'raw')}${smooth ? drawLine(smooth, index, frame, 'smooth') : ''}`,
)}
${drawReadings(chart, series, frame)}
${chart.marks.map((mark) => drawMark(mark, frame))}
${series.some(({ points }) => points.length > 0) ? '' : drawText('empty', 'middle', (frame.left + frame.right) / 2, 140, 'no data')}
</svg>`;
}

interface Frame {
  readonly x: Axis;
  readonly y: Axis;
  readonly left: number;
  readonly right: number;
  readonly toX: (value: number) => number;
  readonly toY: (value: number) => number;
}

const widthOf = ({ isHalf }: Chart): number => (isHalf === true ? widths.half : widths.whole);

function frameChart(chart: Chart, series: readonly Series[]): Frame {
  const points = series.flatMap((one) => one.points);
  const x = chooseXAxis(chart, [...points, ...chart.marks].map((at) => at.x).concat(points.length > 0 ? [0] : []));
  const values = points.flatMap((point) => point.y ?? []);
  const y = chooseYAxis(chart.yScale, values.length > 0 ? [...values, ...(chart.levels ?? []).map((at) => at.y)] : []);
  const [left, right] = [edges.left, widthOf(chart) - edges.right];
  return {
    x,
    y,
    left,
    right,
    toX: (value) => left + x.place(value) * (right - left),
    toY: (value) => edges.bottom - y.place(value) * plotHeight,
  };
}

const chooseXAxis = ({ xScale }: Chart, values: readonly number[]): Axis =>
  xScale === 'share'
    ? tightAxis([0, 1], { tickCount: 5, leastStep: 0 })
    : tightAxis(values, { tickCount: 6, leastStep: 1 });

function chooseYAxis(scale: Chart['yScale'], values: readonly number[]): Axis {
  const options = { tickCount: 4, leastStep: 0 };
  if (scale === 'share') return linearAxis([0, 1], { tickCount: 5, leastStep: 0 });
  if (scale === 'log') return logAxis(values);
  return linearAxis(scale === 'linear' || values.length === 0 ? values : [0, ...values], options);
}

/** Turns values that the axes cannot show into gaps. */
const omitInvalidPoints = (points: readonly CurvePoint[], scale: Chart['yScale']): readonly CurvePoint[] =>
  points
    .filter(({ x }) => Number.isFinite(x))
    .map(({ x, y }) => ({ x, y: y !== null && Number.isFinite(y) && (scale !== 'log' || y > 0) ? y : null }));

const drawAxes = (chart: Chart, { x, y, left, right, toX, toY }: Frame): Markup => markup`<g class="axes">
${y.ticks.map((tick) => markup`<path class="grid" d="M${left} ${round(toY(tick))}H${right}"/>${drawText('tick', 'end', left - 8, toY(tick), formatNumber(tick))}`)}
${x.ticks.map((tick) => markup`<path class="notch" d="M${round(toX(tick))} ${edges.bottom}v5"/>${drawText('tick', 'middle', toX(tick), edges.bottom + 18, formatNumber(tick))}`)}
<path class="base" d="M${left} ${edges.bottom}H${right}"/>
${drawText('label', 'start', 0, 12, chart.yLabel)}
${drawText('label', 'end', right, edges.bottom + 43, chart.xLabel)}</g>`;

const drawText = (kind: string, anchor: 'start' | 'middle' | 'end', x: number, y: number, text: string): Markup =>
  markup`<text class="${kind}" text-anchor="${anchor}" x="${round(x)}" y="${round(y)}" dy=".34em">${text}</text>`;

function drawLine(points: readonly CurvePoint[], index: number, { toX, toY }: Frame, kind?: 'raw' | 'smooth'): Markup {
  const measured = points.flatMap(({ x, y }) => (y === null ? [] : { x: toX(x), y: toY(y) }));
  const d = points.map(({ x, y }, at) => {
    if (y === null) return '';
    const place = `${round(toX(x))} ${round(toY(y))}`;
    // "h0" draws an isolated value as a dot.
    return (points[at - 1]?.y ?? null) === null ? `M${place}h0` : `L${place}`;
  });
  const dots = measured.length > maxDots || kind === 'smooth' ? [] : measured;
  const isDense = measured.length > maxDots && kind !== 'smooth';
  return markup`<g class="series s${index + 1}${kind === undefined ? '' : ` ${kind}`}"><path${isDense ? markup` class="dense"` : ''} d="${d.join('')}"/>${dots.map(({ x, y }) => markup`<circle cx="${round(x)}" cy="${round(y)}" r="2.5"/>`)}</g>`;
}

/** Draws a reference line. Its name is at the left, where growing curves are still low. */
const drawLevel = ({ y, name, side }: Level, { left, right, toY }: Frame): Markup =>
  markup`<g class="level"><path d="M${left} ${round(toY(y))}H${right}"/>${drawText('label', 'start', left + 4, toY(y) + (side === 'above' ? -10 : 11), name)}</g>`;

/** Draws stops and the best value over the full height, and others at the base line, so that all are visible at one x. */
function drawMark({ x, kind, what }: Mark, { toX }: Frame): Markup {
  const at = round(toX(x));
  const hit = kind === 'go' || kind === 'tested' ? `M${at} ${edges.bottom - 11}v14` : `M${at} ${edges.top - 12}v18`;
  return markup`<g class="mark ${kind}"><path d="${shapeOfMark(kind, at)}"/><path class="hit" d="${hit}"><title>${what}</title></path></g>`;
}

function shapeOfMark(kind: Mark['kind'], at: number): string {
  switch (kind) {
    case 'stop':
      return `M${at} ${edges.top - 6}V${edges.bottom}`;
    case 'best':
      return `M${at} ${edges.top}V${edges.bottom}M${at} ${edges.top - 11}l5 5.5l-5 5.5l-5 -5.5z`;
    case 'go':
      return `M${at} ${edges.bottom - 9}l4.5 9h-9z`;
    case 'tested':
      return `M${at - 4} ${edges.bottom - 4}h8v8h-8z`;
  }
}

/** Draws invisible vertical strips that show the values at each x on hover. */
function drawReadings(chart: Chart, series: readonly Series[], { left, right, toX }: Frame): Markup {
  const readings = new Map<number, string[]>();
  for (const { name, points } of series) {
    for (const { x, y } of points) {
      readings.set(x, [...(readings.get(x) ?? []), `${name} ${y === null ? 'none' : formatNumber(y)}`]);
    }
  }
  const stripWidth = Math.min(40, Math.max(2, (right - left) / Math.max(1, readings.size)));
  return markup`<g class="readings" stroke-width="${round(stripWidth)}">${[...readings].map(
    ([x, values]) =>
      markup`<path d="M${round(toX(x))} ${edges.top}V${edges.bottom}"><title>${`${chart.xLabel} ${formatNumber(x)}: ${values.join(', ')}`}</title></path>`,
  )}</g>`;
}
