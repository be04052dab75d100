import { formatPoints } from '../../shared/summary/format-score.ts';
import type { Analysis, Report } from '../../../configs/schema/index.ts';
import { computeCost, roundHours } from './cost.ts';
import { type Markup, markup } from '../components/markup.ts';
import { formatImages, formatMfu } from '../../shared/summary/format-speed.ts';
import { formatCount, formatDuration, formatPlural } from '../../shared/summary/format-time.ts';

export interface KeyFigure {
  readonly name: string;
  readonly value: string;
  readonly more: string;
}

/** Renders the numbers that readers look for first. */
export const renderKeyFigures = (report: Report, bootstrap: Analysis['bootstrap']): Markup =>
  renderFigures(listFigures(report, bootstrap));

export const renderFigures = (figures: readonly KeyFigure[]): Markup =>
  markup`<dl class="figures">${figures.map(
    ({ name, value, more }) => markup`<div><dt>${name}</dt><dd><b>${value}</b> <span>${more}</span></dd></div>`,
  )}</dl>`;

function listFigures(report: Report, bootstrap: Analysis['bootstrap']): KeyFigure[] {
  const { metrics, ledger, seconds, stepsRepeated, speed } = report;
  const cost = computeCost(report);
  const stops = ledger.interruptions.length;
  return [
    apFigure('Box AP', metrics.bbox.AP, bootstrap?.bbox.AP ?? null),
    apFigure('Mask AP', metrics.segm.AP, bootstrap?.segm.AP ?? null),
    {
      name: 'Goodput',
      value: ledger.goodput === null ? '–' : `${(ledger.goodput * 100).toFixed(1)} %`,
      more: 'of the scheduled training time',
    },
    ...(speed === undefined ? [] : [speedFigure(speed.imagesPerSecond, speed.mfu)]),
    { name: 'Interruptions', value: formatCount(stops), more: `${formatPlural(stepsRepeated, 'step')} repeated` },
    {
      name: `${cost.device}-hours`,
      value: roundHours(cost.deviceHours),
      more: `${formatDuration(seconds.total)} from start to report`,
    },
  ];
}

export const speedFigure = (imagesPerSecond: number, mfu: number | null): KeyFigure => ({
  name: 'Images/s',
  value: formatImages(imagesPerSecond),
  more: mfu === null ? 'in training' : formatMfu(mfu),
});

function apFigure(name: string, score: number | null, interval: readonly [number, number] | null): KeyFigure {
  const more = interval ? `95 %: ${formatPoints(interval[0])}–${formatPoints(interval[1])}` : 'points';
  return { name, value: score === null ? '–' : formatPoints(score), more: score === null ? 'no ground truth' : more };
}
