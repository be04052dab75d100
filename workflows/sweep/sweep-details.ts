import { formatAp } from '../../activities/shared/summary/format-score.ts';
import { formatVariantState } from '../../activities/shared/summary/format-variant.ts';
import type { SweepStatus, VariantStatus } from '../../configs/schema/index.ts';
import { escapeCell } from '../support/escape-cell.ts';

/** Renders the Markdown that the Temporal UI shows on the page of the sweep. */
export function renderSweepDetails({ name, stage, variants, verdict, report }: SweepStatus): string {
  return [
    `### ${name}: ${stage}`,
    '',
    '| Variant | Run | Epoch | Validation box AP | Test box AP | Test mask AP | State |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...variants.map(renderRow),
    ...verdict.flatMap((sentence) => ['', escapeCell(sentence)]),
    ...(report === null ? [] : ['', `Report: ${escapeCell(report)}`]),
  ].join('\n');
}

function renderRow(status: VariantStatus): string {
  const { variant, runId, scores, result } = status;
  const newest = scores.at(-1);
  const cells = [variant, runId, String(newest?.epoch ?? '–'), formatAp(newest?.bboxAP)];
  const tested = [formatAp(result?.bboxAP), formatAp(result?.segmAP)];
  return `| ${[...cells, ...tested, escapeCell(formatVariantState(status))].join(' | ')} |`;
}
