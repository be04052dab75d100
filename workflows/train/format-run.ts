import { formatAp } from '../../activities/shared/summary/format-score.ts';
import type { Attempt, ReportRef, RunInput } from '../../configs/schema/index.ts';

/** Formats a run input as one line. */
export const formatRunInput = ({ recipe, epochs, dataset, gpus, batchPerGpu }: RunInput): string =>
  `${recipe}, ${epochs} epochs on ${dataset}, ${gpus} x ${batchPerGpu} images`;

/** Formats the result of a run for a notification. */
export const formatReport = ({ bbox, segm, verdict, crashes, uri }: ReportRef): string =>
  [
    `Box AP ${formatAp(bbox.AP)}, mask AP ${formatAp(segm.AP)}.`,
    verdict,
    `Crashes survived: ${crashes}.`,
    `Report: ${uri}`,
  ].join('\n');

/** Formats what a run waits for after a failure, and what to do. */
export const formatWait = ({ failure, cause }: Attempt, runId: string): string =>
  failure === null
    ? (cause ?? '')
    : `${failure.meaning} ${failure.nextStep.replaceAll('RUN', runId)} ${failure.evidence}`;
