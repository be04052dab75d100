import type { RunFailure } from '../../../configs/schema/index.ts';
import { formatInstant } from '../../shared/summary/format-time.ts';
import { formatFailureTitle, listFailureRows } from '../../shared/summary/run-failure.ts';
import { renderFacts } from '../../report/components/facts.ts';
import { type Markup, markup } from '../../report/components/markup.ts';

/** Renders why a run failed, and what to do next. */
export function renderFailure(failure: RunFailure): Markup {
  const rows = listFailureRows(failure).map(
    ({ title, lines, isVerbatim }) => [title, isVerbatim ? renderLines(lines, title) : lines.join(' ')] as const,
  );
  const headline = markup`<b>${formatFailureTitle(failure)}</b>, ${formatInstant(failure.at)}`;
  return renderFacts([['Failed', headline], ...rows], 'failure');
}

const renderLines = (lines: readonly string[], label: string): Markup =>
  markup`<pre role="region" aria-label="${label}" tabindex="0">${lines.join('\n')}</pre>`;
