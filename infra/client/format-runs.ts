import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import { formatState } from '../../activities/shared/summary/format-state.ts';
import { formatInstant } from '../../activities/shared/summary/format-time.ts';
import { formatFailureLine } from '../../activities/shared/summary/run-failure.ts';
import { color, colorState } from '../terminal/color.ts';
import { clipLine, labelLines, terminalWidth } from '../terminal/layout.ts';
import type { ListedRun } from './finished-runs.ts';
import { toName } from './find-workflow.ts';

/** Formats runs as a table. The reason of a failed run and the report of an old one have their own line. */
export function formatRunTable(runs: readonly ListedRun[], width = terminalWidth()): string[] {
  const rows = runs.map((run) => ({ ...run, name: toName(run.id), state: stateOfListed(run) }));
  const nameWidth = Math.max('RUN'.length, ...rows.map(({ name }) => name.length));
  const stateWidth = Math.max('STATE'.length, ...rows.map(({ state }) => state.length));
  const header = ['RUN'.padEnd(nameWidth), 'STATE'.padEnd(stateWidth), 'EPOCHS', 'BOX AP', 'MASK AP', 'STARTED UTC'];
  const lines = rows.flatMap(({ name, state, startedAt, attributes, failure, report }) => {
    const { Epoch: epoch, BboxMAP: bbox, SegmMAP: segm } = attributes;
    const cells = [
      name.padEnd(nameWidth),
      colorState(state, stateWidth),
      (typeof epoch === 'number' && epoch > 0 ? String(epoch) : '').padStart('EPOCHS'.length),
      formatAp(bbox).padStart('BOX AP'.length),
      formatAp(segm).padStart('MASK AP'.length),
      formatInstant(startedAt).slice('2026-'.length, -' UTC'.length),
    ];
    return [
      cells.join('  '),
      ...(failure === undefined ? [] : [clipLine(`  ${formatFailureLine(failure)}`, width)]),
      ...(report === undefined ? [] : [`  ${report}`]), // whole, to be copied
    ];
  });
  return [color('dim', header.join('  ')), ...lines];
}

/** Formats a finished run that Temporal no longer has, as `everswin status RUN` shows it. */
export function formatListedRun(run: ListedRun): string[] {
  const { id, startedAt, attributes, report } = run;
  const { BboxMAP: bbox, SegmMAP: segm } = attributes;
  return [
    `${color('bold', toName(id))}  ${colorState(stateOfListed(run))}`,
    ...labelLines('started', formatInstant(startedAt)),
    ...labelLines('test', `box AP ${formatAp(bbox)}  mask AP ${formatAp(segm)}`),
    ...(report === undefined ? [] : labelLines('report', report)),
  ];
}

const stateOfListed = ({ status, attributes }: ListedRun): string => formatState(status, attributes['Phase']);

const formatAp = (score: unknown): string => (typeof score === 'number' ? formatPoints(score) : '');
