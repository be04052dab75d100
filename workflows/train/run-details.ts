import { formatDuration } from '../../activities/shared/summary/format-time.ts';
import { formatCodeChanges } from '../../activities/shared/summary/format-code.ts';
import { listSpeed } from '../../activities/shared/summary/format-speed.ts';
import { formatAttempt } from '../../activities/shared/summary/format-attempt.ts';
import { formatFailureTitle, listFailureRows } from '../../activities/shared/summary/run-failure.ts';
import type { RemoteCopy, RunFailure, RunStatus } from '../../configs/schema/index.ts';
import { escapeCell } from '../support/escape-cell.ts';

/** Renders the Markdown that the Temporal UI shows on the page of the run. */
export function renderRunDetails(status: RunStatus): string {
  const { progress } = status;
  const rows: [string, string][] = [
    ['Stage', status.stage],
    ['Epoch', progress === null ? '–' : `${progress.epoch} of ${progress.epochs}`],
    ['Iteration', progress === null ? '–' : String(progress.iteration)],
    ['Loss', formatNumber(progress?.loss, 4)],
    ['Box AP', formatPercent(progress?.bboxAP)],
    ['Mask AP', formatPercent(progress?.segmAP)],
    ['Speed', progress === null ? '–' : listSpeed(progress).join(', ') || '–'],
    ['ETA', formatTimeLeft(status)],
    ['Goodput', status.ledger.goodput === null ? '–' : `${formatPercent(status.ledger.goodput)} %`],
    ['Attempts', String(status.attempts.length + (status.stage === 'training' ? 1 : 0))],
  ];
  const codeChanges = formatCodeChanges(status.attempts);
  if (codeChanges !== undefined) rows.push(['Code', escapeCell(codeChanges)]);
  if (status.notice !== null) rows.unshift(['Notice', escapeCell(status.notice)]);
  for (const { uuid, verdict, why } of status.gpus ?? []) rows.push([`GPU ${uuid}`, escapeCell(`${verdict}: ${why}`)]);
  if (status.waiting !== null) rows.unshift(['Waiting', escapeCell(status.waiting)]);
  const remote = progress?.remote;
  if (remote != null) rows.push(['Remote copy', escapeCell(formatRemote(remote))]);
  if (status.page !== null) rows.push(['Page', `[${escapeCell(status.page)}](${escapeCell(status.page)})`]);
  if (status.report !== null) rows.push(['Report', escapeCell(status.report)]);
  if (status.detector !== undefined) rows.push(['Detector', escapeCell(status.detector)]);
  const known = status.failure === undefined ? rows : rows.filter(([, value]) => value !== '–');
  const table = ['| | |', '| --- | --- |', ...known.map(([name, value]) => `| **${name}** | ${value} |`)];
  const validations = (status.validations ?? [])
    .slice(-10)
    .map(({ epoch, bboxAP, segmAP }) => `| ${epoch} | ${formatPercent(bboxAP)} | ${formatPercent(segmAP)} |`);
  const checks = status.checks
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ verdict, name, message }) => `- ${verdict}: ${name}: ${escapeCell(message)}`);
  const attempts = status.attempts.slice(-10).map((attempt) => `- ${escapeCell(formatAttempt(attempt))}`);
  const steps = status.steps.map(({ step, why }) => `- ${step}: ${escapeCell(why)}`);
  const decisions = status.decisions.slice(-10).map(({ attempt, next, why, change }) => {
    const changed = change === null ? '' : ` (${escapeCell(change)})`;
    return `- attempt ${attempt} → ${next}: ${escapeCell(why)}${changed}`;
  });
  const quarantined = status.attempts
    .flatMap((attempt) => attempt.quarantined)
    .slice(-10)
    .map(({ file, why }) => `- ${escapeCell(file)}: ${escapeCell(why)}`);
  return [
    `### ${status.runId}`,
    ...(status.failure === undefined ? [] : ['', ...renderFailure(status.failure)]),
    '',
    ...table,
    ...(validations.length > 0 ? ['', '| Epoch | Box AP | Mask AP |', '| --- | --- | --- |', ...validations] : []),
    ...(checks.length > 0 ? ['', '**Dry run**', '', ...checks] : []),
    ...(steps.length > 0 ? ['', '**Pipeline steps**', '', ...steps] : []),
    ...(attempts.length > 0 ? ['', '**Attempts**', '', ...attempts] : []),
    ...(decisions.length > 0 ? ['', '**Decisions**', '', ...decisions] : []),
    ...(quarantined.length > 0 ? ['', '**Checkpoints in quarantine**', '', ...quarantined] : []),
  ].join('\n');
}

/** Renders why the run failed above the table, whose cells are too narrow. Blocks of code would not wrap in the UI. */
const renderFailure = (failure: RunFailure): string[] => [
  `**Failed: ${formatFailureTitle(failure)}**`,
  ...listFailureRows(failure).flatMap(({ title, lines, isVerbatim }) => {
    const text = isVerbatim ? lines.map((line) => `- \`${line.replaceAll('`', "'")}\``) : lines;
    return ['', `**${title}**`, '', ...text];
  }),
];

function formatTimeLeft({ stage, progress }: RunStatus): string {
  if (progress?.etaSeconds != null) return formatDuration(progress.etaSeconds);
  return stage === 'training' ? 'unknown' : '–';
}

const formatRemote = ({ iteration, backlog, problem }: RemoteCopy): string =>
  `${iteration === null ? 'no checkpoint yet' : `iteration ${iteration}`}, ${backlog} pending${problem === null ? '' : `; ${problem}`}`;

const formatNumber = (value: number | null | undefined, digits: number): string => value?.toFixed(digits) ?? '–';
const formatPercent = (value: number | null | undefined): string => (value == null ? '–' : (value * 100).toFixed(1));
