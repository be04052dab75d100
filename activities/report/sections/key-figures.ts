import { formatAp, formatPoints } from '../../shared/summary/format-score.ts';
import type { Analysis, Report } from '../../../configs/schema/index.ts';
import { rankClasses } from '../analysis/classes-section.ts';
import { computeCost, roundHours } from './cost.ts';
import { findBestEpoch, findTestedEpoch } from './best-epoch.ts';
import { type Markup, markup } from '../components/markup.ts';
import { formatImages, formatMfu } from '../../shared/summary/format-speed.ts';
import { formatCount, formatDuration, formatPlural } from '../../shared/summary/format-time.ts';

export interface KeyFigure {
  readonly name: string;
  readonly value: string;
  readonly more: string;
}

/** Renders the numbers that readers look for first. */
export const renderKeyFigures = (report: Report, analysis: Analysis | undefined): Markup =>
  renderFigures(listFigures(report, analysis));

export const renderFigures = (figures: readonly KeyFigure[]): Markup =>
  markup`<dl class="figures">${figures.map(
    ({ name, value, more }) => markup`<div><dt>${name}</dt><dd><b>${value}</b> <span>${more}</span></dd></div>`,
  )}</dl>`;

function listFigures(report: Report, analysis: Analysis | undefined): KeyFigure[] {
  const { metrics, ledger, seconds, stepsRepeated, speed } = report;
  const cost = computeCost(report);
  const stops = ledger.interruptions.length;
  const { bbox, segm } = analysis?.bootstrap ?? { bbox: null, segm: null };
  const goodput = ledger.goodput === null ? '' : `, goodput ${(ledger.goodput * 100).toFixed(1)} %`;
  return [
    apFigure('Box AP', metrics.bbox.AP, bbox?.AP ?? null),
    apFigure('Mask AP', metrics.segm.AP, segm?.AP ?? null),
    apFigure('Box AP50', metrics.bbox.AP50, bbox?.AP50 ?? null),
    ...bestEpochFigure(report),
    ...weakestClassFigure(analysis),
    {
      name: `${cost.device}-hours`,
      value: roundHours(cost.deviceHours),
      more: `${formatDuration(seconds.total)} from start to report`,
    },
    {
      name: 'Interruptions',
      value: formatCount(stops),
      more: `${formatPlural(stepsRepeated, 'step')} repeated${goodput}`,
    },
    ...(speed === undefined ? [] : [speedFigure(speed.imagesPerSecond, speed.mfu)]),
  ];
}

function bestEpochFigure(report: Report): KeyFigure[] {
  const best = findBestEpoch(report.curves.ap);
  if (best === undefined) return [];
  const tested = findTestedEpoch(report);
  const more = [
    `box AP ${formatPoints(best.bbox)} in validation`,
    ...(tested === undefined || tested === best.epoch ? [] : [`epoch ${formatCount(tested)} was tested`]),
  ];
  return [{ name: 'Best epoch', value: formatCount(best.epoch), more: more.join('; ') }];
}

function weakestClassFigure(analysis: Analysis | undefined): KeyFigure[] {
  const weakest = rankClasses(analysis?.classes ?? [])[0];
  if (weakest === undefined || weakest.bbox.AP === null || analysis?.classes.length === 1) return [];
  return [{ name: 'Weakest class', value: formatPoints(weakest.bbox.AP), more: `box AP of ${weakest.name}` }];
}

export const speedFigure = (imagesPerSecond: number, mfu: number | null): KeyFigure => ({
  name: 'Images/s',
  value: formatImages(imagesPerSecond),
  more: mfu === null ? 'in training' : formatMfu(mfu),
});

function apFigure(name: string, score: number | null, interval: readonly [number, number] | null): KeyFigure {
  const more = interval ? `95 %: ${formatPoints(interval[0])}–${formatPoints(interval[1])}` : 'points';
  return { name, value: formatAp(score), more: score === null ? 'no ground truth' : more };
}
