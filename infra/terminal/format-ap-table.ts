import type { EvalMetrics } from '../../configs/schema/index.ts';
import { apKinds, apRows, type ApRow } from '../../activities/shared/summary/coco-rows.ts';
import { formatScore } from '../../activities/shared/summary/format-score.ts';

/** Formats the box and mask AP exactly as pycocotools prints them. */
export const formatApTable = (metrics: Pick<EvalMetrics, 'bbox' | 'segm'>): string =>
  apKinds
    .map(({ key }) => [key, ...apRows.map((row) => formatApLine(row, metrics[key][row.key]))].join('\n'))
    .join('\n\n');

function formatApLine(row: ApRow, score: number | null): string {
  const [name = '', short = ''] = row.measure.split(/ (?=\()/);
  const where = `IoU=${row.iou.padEnd(9)} | area=${row.area.padStart(6)} | maxDets=${String(row.maxDets).padStart(3)}`;
  // pycocotools prints -1 where there is no ground truth.
  return ` ${name.padEnd(18)} ${short} @[ ${where} ] = ${score === null ? '-1.000' : formatScore(score)}`;
}
