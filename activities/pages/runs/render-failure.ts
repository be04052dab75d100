import type { RunFailure } from '../../../configs/schema/index.ts';
import { formatInstant } from '../../shared/summary/format-time.ts';
import { formatFailureTitle, listFailureRows } from '../../shared/summary/run-failure.ts';
import { renderFacts } from '../../report/components/facts.ts';
import { type Markup, markup } from '../../report/components/markup.ts';

/** Renders why a run failed, what to do next, and the end of the trainer's log. */
export function renderFailure(failure: RunFailure): Markup {
  const { at, logTail } = failure;
  const rows = listFailureRows(failure).map(
    ({ title, lines, isVerbatim }) => [title, isVerbatim ? renderLines(lines, title) : lines.join(' ')] as const,
  );
  const headline = markup`<b>${formatFailureTitle(failure)}</b>, ${formatInstant(at)}`;
  return markup`${renderFacts([['Failed', headline], ...rows], 'failure')}
${logTail.length === 0 ? '' : markup`<h3>${logTitle}</h3>${renderLines(logTail, logTitle)}`}`;
}

const logTitle = 'End of the log';

const renderLines = (lines: readonly string[], label: string): Markup =>
  markup`<pre role="region" aria-label="${label}" tabindex="0">${lines.join('\n')}</pre>`;
