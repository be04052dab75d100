import type { Interruption, Ledger } from '../../../configs/schema/index.ts';
import { renderTable } from '../components/event-table.ts';
import { markup, type Markup } from '../components/markup.ts';
import { formatCount, formatDuration, formatElapsed } from '../../shared/summary/format-time.ts';

/** Renders goodput and the cost of each interruption. */
export function renderLedger(ledger: Ledger, start: number): Markup {
  const { interruptions } = ledger;
  const table =
    interruptions.length === 0
      ? markup`<p class="note">None.</p>`
      : renderTable(
          'Interruptions',
          markup`<th scope="col" class="number">Time</th><th scope="col">Class</th><th scope="col" class="what">Cause</th><th scope="col" class="number">Detected after</th><th scope="col" class="number">Steps lost</th><th scope="col" class="number">Recovered after</th>`,
          markup`<tbody>${interruptions.map((one) => renderInterruption(one, start))}</tbody>`,
        );
  return markup`<p>${formatGoodput(ledger)}</p>
${table}`;
}

const renderInterruption = (one: Interruption, start: number): Markup => markup`
<tr><td class="number">${formatElapsed(one.at - start)}</td><td class="whole">${one.class}</td><td class="what">${one.cause}</td><td class="number" data-label="detected after">${formatSeconds(one.detectionSeconds)}</td><td class="number" data-label="steps lost">${formatCount(one.stepsLost)}</td><td class="number" data-label="recovered after">${formatSeconds(one.recoverySeconds)}</td></tr>`;

/** Formats `Goodput 98.7 %: 3 d 10 h of retained steps in 3 d 11 h of training time; …`. */
export function formatGoodput(ledger: Ledger): string {
  if (ledger.goodput === null) return 'Goodput is unknown.';
  const { productiveSeconds, wallSeconds, evaluationSeconds, pausedSeconds, lostSeconds } = ledger;
  const available = formatDuration(wallSeconds - evaluationSeconds - pausedSeconds);
  const excluded = [`validation (${formatDuration(evaluationSeconds)})`];
  if (pausedSeconds > 0) excluded.push(`pauses (${formatDuration(pausedSeconds)})`);
  return (
    `Goodput ${(ledger.goodput * 100).toFixed(1)} %: ${formatDuration(productiveSeconds)} of retained steps ` +
    `in ${available} of training time; ${formatDuration(lostSeconds)} of steps were lost. Excluded: ${excluded.join(' and ')}.`
  );
}

/** Formats a duration, or a dash if it is unknown. */
export const formatSeconds = (seconds: number | null): string => (seconds === null ? '–' : formatDuration(seconds));
