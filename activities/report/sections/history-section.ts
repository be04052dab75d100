import type { Attempt, Decision, Report, StepOutcome, TimelineEvent } from '../../../configs/schema/index.ts';
import { renderTable } from '../components/event-table.ts';
import { renderLedger } from './ledger-section.ts';
import { type Markup, markup } from '../components/markup.ts';
import { formatOrigin, formatRepeatedSteps, outcomeNames, findStart, eventNames, actionNames } from './run-facts.ts';
import type { Section } from '../components/section.ts';
import { formatCodeChanges } from '../../shared/summary/format-code.ts';
import { drawTimelineChart } from './timeline-chart.ts';
import {
  formatCount,
  formatDuration,
  formatElapsed,
  formatInstant,
  formatPlural,
} from '../../shared/summary/format-time.ts';

/** Renders attempts, interruptions, events, decisions and warnings of the run. */
export function renderHistory(report: Report): Section {
  const start = findStart(report);
  return {
    id: 'course',
    title: 'Run history',
    body: markup`<p><b>${formatRepeatedSteps(report)}</b> ${formatPlural(report.attempts.length, 'attempt')}; times are relative to ${formatInstant(start)}.</p>
${renderCodeChanges(report.attempts)}<h3>Attempts</h3>
${drawTimelineChart(report)}
${renderAttempts(report.attempts)}
<h3>Interruptions</h3>
${renderLedger(report.ledger, start)}
<h3>Timeline</h3>
${renderTimeline(report.timeline, start)}
<h3>Decisions</h3>
${renderDecisions(report.decisions, start)}
<h3>Quarantined checkpoints</h3>
${renderQuarantine(report.attempts)}
<h3>Pipeline steps</h3>
${renderSteps(report.steps)}
<h3>Warnings</h3>
${renderWarnings(report.warnings)}`,
  };
}

function renderCodeChanges(attempts: readonly Attempt[]): Markup | string {
  const changes = formatCodeChanges(attempts);
  return changes === undefined ? '' : markup`<p>Code changed: ${changes}.</p>\n`;
}

/** Lists the pipeline steps and why each was cached or executed. */
const renderSteps = (steps: readonly StepOutcome[]): Markup =>
  markup`<ul>${steps.map(({ step, why }) => markup`<li><b>${step}</b> ${why}</li>`)}</ul>`;

const renderAttempts = (attempts: readonly Attempt[]): Markup =>
  renderTable(
    'Attempts',
    markup`<th scope="col" class="number">No.</th><th scope="col">Start</th><th scope="col" class="number">From iteration</th><th scope="col" class="number">To</th><th scope="col">Outcome</th><th scope="col" class="number">Duration</th>`,
    attempts.map(
      (one) => markup`<tbody>
<tr><th scope="row" class="number" data-label="attempt">${one.attempt}</th><td>${formatOrigin(one)}</td><td class="number" data-label="from iteration">${formatCount(one.fromIteration)}</td><td class="number" data-label="to">${formatCount(one.toIteration)}</td><td><span class="kind ${one.outcome}">${outcomeNames[one.outcome]}</span></td><td class="number" data-label="in">${formatDuration(one.endedAt - one.startedAt)}</td></tr>
${renderCause(one)}</tbody>`,
    ),
  );

function renderCause({ cause, logTail, outcome }: Attempt): Markup | string {
  if (outcome === 'finished' || (cause === null && logTail.length === 0)) return '';
  const tail =
    logTail.length > 0
      ? markup`<details><summary>Last ${formatPlural(logTail.length, 'line')} of the log</summary><pre tabindex="0">${logTail.join('\n')}</pre></details>`
      : '';
  return markup`<tr class="more"><td></td><td colspan="5">${cause ?? ''}${tail}</td></tr>`;
}

/** @param start Unix seconds that times are relative to. */
export const renderTimeline = (timeline: readonly TimelineEvent[], start: number): Markup =>
  renderTable(
    'Timeline',
    markup`<th scope="col" class="number">Time</th><th scope="col">Event</th><th scope="col" class="what">Details</th><th scope="col" class="number">Iteration</th>`,
    markup`<tbody>${timeline.map(
      ({ at, kind, what, iteration }) => markup`
<tr><td class="number">${formatElapsed(at - start)}</td><td><span class="kind ${kind}">${eventNames[kind]}</span></td><td class="what">${what}</td><td class="number" data-label="iteration">${formatCount(iteration)}</td></tr>`,
    )}</tbody>`,
  );

const renderDecisions = (decisions: readonly Decision[], start: number): Markup =>
  decisions.length === 0
    ? markup`<p class="note">None.</p>`
    : renderTable(
        'Decisions',
        markup`<th scope="col" class="number">Time</th><th scope="col" class="number">After attempt</th><th scope="col">Next</th><th scope="col" class="what">Reason</th>`,
        markup`<tbody>${decisions.map(
          ({ at, attempt, next, why, change }) => markup`
<tr><td class="number">${formatElapsed(at - start)}</td><td class="number" data-label="after attempt">${attempt}</td><td class="whole">${actionNames[next]}</td><td class="what">${why}${change === null ? '' : markup`<br><b>${change}</b>`}</td></tr>`,
        )}</tbody>`,
      );

function renderQuarantine(attempts: readonly Attempt[]): Markup {
  const rows = attempts.flatMap(({ attempt, quarantined }) => quarantined.map((one) => ({ attempt, ...one })));
  if (rows.length === 0) return markup`<p class="note">None.</p>`;
  return markup`<ul>${rows.map(({ attempt, file, why }) => markup`<li>${file}, before attempt ${attempt}: ${why}</li>`)}</ul>`;
}

function renderWarnings(warnings: readonly string[]): Markup {
  const counts = new Map<string, number>();
  for (const warning of warnings) counts.set(warning, (counts.get(warning) ?? 0) + 1);
  if (counts.size === 0) return markup`<p class="note">None.</p>`;
  const items = [...counts].map(([text, times]) => markup`<li>${text}${times > 1 ? ` (${times} times)` : ''}</li>`);
  return markup`<ul>${items}</ul>`;
}
