import type { Interruption, Ledger } from '../../../configs/schema/index.ts';
import { drawTable } from '../draw/event-table.ts';
import { markup, type Markup } from '../draw/markup.ts';
import { formatCount, formatDuration, formatElapsed } from '../../shared/summary/format-time.ts';

/** What each interruption cost, and what was left of the time that was meant for training. */
export function drawLedger(ledger: Ledger, start: number): Markup {
  const { interruptions } = ledger;
  const table =
    interruptions.length === 0
      ? markup`<p class="note">There was none.</p>`
      : drawTable(
          'Interruptions',
          markup`<th scope="col" class="number">Time</th><th scope="col">Class</th><th scope="col" class="what">Cause</th><th scope="col" class="number">Noticed after</th><th scope="col" class="number">Steps lost</th><th scope="col" class="number">Stepping again after</th>`,
          markup`<tbody>${interruptions.map((one) => drawInterruption(one, start))}</tbody>`,
        );
  return markup`<p>${formatGoodput(ledger)}</p>
${table}`;
}

const drawInterruption = (one: Interruption, start: number): Markup => markup`
<tr><td class="number">${formatElapsed(one.at - start)}</td><td class="whole">${one.class}</td><td class="what">${one.cause}</td><td class="number" data-label="noticed after">${formatSeconds(one.detectionSeconds)}</td><td class="number" data-label="steps lost">${formatCount(one.stepsLost)}</td><td class="number" data-label="stepping again after">${formatSeconds(one.recoverySeconds)}</td></tr>`;

/** `Goodput 98.7 %: 3 d 10 h of steps that lasted in 3 d 11 h meant for training; …` */
export function formatGoodput(ledger: Ledger): string {
  if (ledger.goodput === null) return 'Goodput is not known.';
  const { productiveSeconds, wallSeconds, evaluationSeconds, pausedSeconds, lostSeconds } = ledger;
  const meant = formatDuration(wallSeconds - evaluationSeconds - pausedSeconds);
  const apart = [`validation (${formatDuration(evaluationSeconds)})`];
  if (pausedSeconds > 0) apart.push(`pauses (${formatDuration(pausedSeconds)})`);
  return (
    `Goodput ${(ledger.goodput * 100).toFixed(1)} %: ${formatDuration(productiveSeconds)} of steps that lasted ` +
    `in ${meant} meant for training; ${formatDuration(lostSeconds)} of steps were lost. Not counted: ${apart.join(' and ')}.`
  );
}

/** A dash where nobody knows. */
export const formatSeconds = (seconds: number | null): string => (seconds === null ? '–' : formatDuration(seconds));
