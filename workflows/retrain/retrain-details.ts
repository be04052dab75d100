import type { RetrainStatus } from '../../configs/schema/index.ts';
import { escapeCell } from '../support/escape-cell.ts';

/** Renders the Markdown that the Temporal UI shows on the page of the retraining. */
export function renderRetrainDetails({
  model,
  stage,
  champion,
  decisions,
  outcomes,
  pendingTriggers: waiting,
  awaitingApproval,
  question,
  notice,
  page,
}: RetrainStatus): string {
  const rows: [string, string][] = [
    ['Stage', stage],
    ['Champion', champion ?? 'none yet'],
    ['Pending triggers', String(waiting.length)],
  ];
  if (awaitingApproval !== null) rows.push(['Waiting for approval', awaitingApproval]);
  if (question != null) rows.push(['Waiting for a person', question]);
  if (notice != null) rows.push(['Notice', notice]);
  const link = page === null ? [] : [`| **Page** | [${escapeCell(page)}](${escapeCell(page)}) |`];
  return [
    `### ${model}`,
    '',
    ...['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| **${name}** | ${escapeCell(value)} |`), ...link],
    ...list(
      'Decisions',
      decisions.slice(-10).map(({ triggers, why }) => `${triggers.map(({ who }) => who).join(', ')}: ${why}`),
    ),
    ...list(
      'Candidates',
      outcomes.slice(-10).map(({ runId, outcome, why }) => `${runId}: ${outcome}, ${why}`),
    ),
  ].join('\n');
}

const list = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', `**${title}**`, '', ...lines.map((line) => `- ${escapeCell(line)}`)];
