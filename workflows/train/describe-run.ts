import { describeScore } from '../../activities/shared/summary/describe-variant.ts';
import type { ReportRef, RunInput } from '../../configs/schema/index.ts';

/** What is begun, in a line. */
export const describeInput = ({ recipe, epochs, dataset, gpus, batchPerGpu }: RunInput): string =>
  `${recipe}, ${epochs} epochs on ${dataset}, ${gpus} x ${batchPerGpu} images`;

/** What came of it. */
export const describeReport = ({ bbox, segm, verdict, crashes, uri }: ReportRef): string =>
  [
    `Box AP ${describeScore(bbox.AP)}, mask AP ${describeScore(segm.AP)}.`,
    verdict,
    `Crashes survived: ${crashes}.`,
    `Report: ${uri}`,
  ].join('\n');
