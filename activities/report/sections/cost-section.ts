import type { Report } from '../../../configs/schema/index.ts';
import { type Cost, formatHours, computeCost, roundHours } from './cost.ts';
import { markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { formatTrainingSpeed } from './run-facts.ts';
import { drawBar, drawBarKey } from '../components/share-bar.ts';
import { formatDuration } from '../../shared/summary/format-time.ts';

/** Renders device-hours by what they were used for. */
export function renderCost(report: Report): Section {
  const cost = computeCost(report);
  const speed = formatTrainingSpeed(report);
  return {
    id: 'cost',
    title: 'Cost',
    body: markup`<p><b>${formatHours(cost.deviceHours, cost.device)}</b>, ${formatUse(cost)}.</p>
${drawBar(`${formatHours(cost.deviceHours, cost.device)}: ${formatParts(cost)}`, listParts(cost), cost.deviceHours)}
<div class="scroll" role="region" aria-label="Cost" tabindex="0"><table class="plain cost"><thead><tr><th scope="col">Part</th><th scope="col" class="number">Time</th><th scope="col" class="number">${cost.device}-hours</th><th scope="col" class="number">Share</th></tr></thead>
<tbody>${cost.parts.map(
      ({ kind, name, seconds, deviceHours }) => markup`
<tr><th scope="row">${drawBarKey(`cost-${kind}`, name)}</th><td class="number">${formatDuration(seconds)}</td><td class="number">${roundHours(deviceHours)}</td><td class="number">${formatShare(deviceHours, cost.deviceHours)}</td></tr>`,
    )}</tbody></table></div>
<p class="note">Time during which the run held its ${cost.device}s, multiplied by their number.${formatPauses(cost)}</p>
${speed === undefined ? '' : markup`<p>${speed}</p>`}`,
  };
}

/** Formats the useful and the lost share as a clause. */
export function formatUse({ parts, deviceHours, device, isCounted }: Cost): string {
  if (!isCounted) return 'without step counts, so the useful share is unknown';
  const useful = parts.find(({ kind }) => kind === 'useful')?.deviceHours ?? 0;
  const lost = parts.find(({ kind }) => kind === 'lost')?.deviceHours ?? 0;
  return `${formatShare(useful, deviceHours)} of them in retained steps; ${formatHours(lost, device)} of steps were lost to crashes`;
}

const listParts = ({ parts, device }: Cost) =>
  parts.map(({ kind, name, deviceHours }) => ({
    kind: `cost-${kind}`,
    value: deviceHours,
    label: `${name}: ${formatHours(deviceHours, device)}`,
  }));

const formatParts = ({ parts, device }: Cost): string =>
  parts.map(({ name, deviceHours }) => `${name} ${formatHours(deviceHours, device)}`).join(', ');

const formatPauses = ({ pausedSeconds }: Cost): string =>
  pausedSeconds > 0 ? ` Pauses (${formatDuration(pausedSeconds)}) released the devices and are not included.` : '';

const formatShare = (part: number, total: number): string =>
  total > 0 ? `${((100 * part) / total).toFixed(1)} %` : '–';
