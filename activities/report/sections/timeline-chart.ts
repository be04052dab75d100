import type { Attempt, Report, TimelineEvent } from '../../../configs/schema/index.ts';
import { maximum } from '../components/axis.ts';
import { type Markup, markup } from '../components/markup.ts';
import { outcomeNames, findStart, eventNames } from './run-facts.ts';
import { formatDuration, formatElapsed, formatPlural } from '../../shared/summary/format-time.ts';
import { roundCoordinate as round } from '../components/round-coordinate.ts';

const width = 720;
const lane = { left: 6, right: 714, top: 22, bottom: 48, axis: 60 };
const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
/** Readable tick distances in seconds. */
const tickSteps = [1, 2, 5, 10, 30, minute, 2 * minute, 5 * minute, 10 * minute, 30 * minute].concat([
  hour,
  2 * hour,
  6 * hour,
  12 * hour,
  day,
  2 * day,
  5 * day,
  10 * day,
]);

/** Draws attempts as bars on a time axis, with events as marks. */
export function drawTimelineChart(report: Report): Markup {
  const start = findStart(report);
  const ends = [...report.timeline.map(({ at }) => at), ...report.attempts.map(({ endedAt }) => endedAt)];
  const length = Math.max(1, maximum([...ends, report.createdAt]) - start);
  const toX = (at: number): number => lane.left + ((lane.right - lane.left) * (at - start)) / length;
  const events = report.timeline.filter(({ kind }) => shapes[kind] !== null);
  return markup`<svg class="course" viewBox="0 0 ${width} 84" role="img" aria-labelledby="course-title course-description">
<title id="course-title">Attempts over time</title>
<desc id="course-description">${`${formatPlural(report.attempts.length, 'attempt')} in ${formatDuration(length)}, with ${formatPlural(events.length, 'event')} marked. The tables below list the same data.`}</desc>
${listTicks(length).map((tick) => markup`<path class="notch" d="M${round(toX(start + tick))} ${lane.axis - 4}v4"/><text text-anchor="${tick === 0 ? 'start' : 'middle'}" x="${round(toX(start + tick))}" y="${lane.axis + 12}">${formatTick(tick)}</text>`)}
<path class="base" d="M${lane.left} ${lane.axis}H${lane.right}"/>
${report.attempts.map((one) => drawAttempt(one, toX, start))}
${events.map((one) => drawEvent(one, toX, start))}
</svg>`;
}

function drawAttempt(attempt: Attempt, toX: (at: number) => number, start: number): Markup {
  const [from, to] = [toX(attempt.startedAt), toX(attempt.endedAt)];
  const barWidth = Math.max(1.5, to - from);
  const times = `${formatElapsed(attempt.startedAt - start)} to ${formatElapsed(attempt.endedAt - start)}`;
  const label =
    barWidth > 26
      ? markup`<text class="inside" text-anchor="middle" x="${round(from + barWidth / 2)}" y="${lane.bottom - 9}">${attempt.attempt}</text>`
      : '';
  return markup`<g class="attempt ${attempt.outcome}"><rect x="${round(from)}" y="${lane.top}" width="${round(barWidth)}" height="${lane.bottom - lane.top}" rx="2"><title>${`Attempt ${attempt.attempt}, ${times}: ${outcomeNames[attempt.outcome]}`}</title></rect>${label}</g>`;
}

function drawEvent({ at, kind, what }: TimelineEvent, toX: (at: number) => number, start: number): Markup {
  const x = round(toX(at));
  const shape =
    shapes[kind] === 'stop' ? `M${x} ${lane.top - 12}V${lane.bottom + 4}` : `M${x} ${lane.top - 12}l4.5 9h-9z`;
  return markup`<g class="mark ${shapes[kind] ?? ''}"><path d="${shape}"/><path class="hit" d="M${x} ${lane.top - 14}V${lane.top}"><title>${`${formatElapsed(at - start)} ${eventNames[kind]}: ${what}`}</title></path></g>`;
}

const shapes: Record<TimelineEvent['kind'], 'stop' | 'go' | null> = {
  started: 'go',
  resumed: 'go',
  adopted: 'go',
  crashed: 'stop',
  hung: 'stop',
  'worker-lost': 'stop',
  'process-died': 'stop',
  'gpu-health': null,
  preempted: 'stop',
  finished: 'go',
  tested: 'go',
};

function listTicks(length: number): number[] {
  const step = tickSteps.find((one) => length / one <= 8) ?? Math.ceil(length / 8 / day) * day;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
}

function formatTick(seconds: number): string {
  if (seconds === 0) return '0';
  const units = [
    [day, 'd'],
    [hour, 'h'],
    [minute, 'min'],
    [1, 's'],
  ] as const;
  const parts = units.flatMap(([unit, name], index) => {
    const above = units[index - 1]?.[0] ?? Infinity;
    const count = Math.floor((seconds % above) / unit);
    return count > 0 ? [`${count} ${name}`] : [];
  });
  return parts.slice(0, 2).join(' ');
}
