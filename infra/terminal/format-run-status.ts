import { formatAttempt } from '../../activities/shared/summary/format-attempt.ts';
import { formatCodeChanges } from '../../activities/shared/summary/format-code.ts';
import { formatEpochChange } from '../../activities/shared/summary/format-epochs.ts';
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import { listSpeed } from '../../activities/shared/summary/format-speed.ts';
import { formatGpuProblem } from '../../activities/shared/summary/format-gpu-problem.ts';
import type { Decision, PreparationProgress, Progress, RunStatus, Stage } from '../../configs/schema/index.ts';
import { formatCount, formatDuration } from '../../activities/shared/summary/format-time.ts';
import { formatPreparation } from './format-preparation.ts';

const stages: Stage[] = ['planning', 'fetching', 'training', 'testing', 'reporting'];
const barWidth = 24;
const labelWidth = 11;

/** Formats the status of a run: one line per stage, with a progress bar for the current one. */
export function formatRunStatus(status: RunStatus, preparation: readonly PreparationProgress[] = []): string[] {
  const { stage, attempts, decisions, ledger, waiting, notice, report, detector, page } = status;
  // The status of a failed or canceled run does not contain the stage that it had reached.
  const isOver = stage === 'failed' || stage === 'cancelled';
  const reached = stage === 'done' ? stages.length : stages.indexOf(stage);
  const lines = (isOver ? [] : stages).flatMap((name, index): string[] => {
    if (index < reached) return [label(name, 'done')];
    return index === reached ? formatStage(name, status, preparation) : [label(name, '–')];
  });
  const decision = decisions.at(-1);
  const codeChanges = formatCodeChanges(attempts);
  return [
    `${status.runId}  ${status.recipe}  ${stage}`,
    ...lines,
    ...attempts.slice(-3).map((attempt) => label('', formatAttempt(attempt))),
    ...(codeChanges === undefined ? [] : [label('code', codeChanges)]),
    ...(status.epochChanges ?? []).slice(-1).map((change) => label('epochs', formatEpochChange(change))),
    ...(decision === undefined ? [] : [label('decision', formatDecision(decision))]),
    ...(status.gpus ?? []).map((problem) => label('GPU', formatGpuProblem(problem))),
    ...(ledger.goodput === null ? [] : [label('goodput', `${formatPoints(ledger.goodput)} %`)]),
    ...[waiting, notice].flatMap((text) => (text === null ? [] : [label('waiting', text)])),
    ...(page === null ? [] : [label('page', page)]),
    ...(report === null ? [] : [label('report', report)]),
    ...(detector === undefined ? [] : [label('detector', detector)]),
  ];
}

const formatDecision = ({ next, why, change }: Decision): string =>
  `${next}: ${why}${change === null ? '' : ` (${change})`}`;

const label = (name: string, text: string): string => `  ${name.padEnd(labelWidth)}${text}`;

function formatStage(stage: Stage, { progress }: RunStatus, preparation: readonly PreparationProgress[]): string[] {
  if (stage === 'fetching') return preparation.length === 0 ? [label(stage, '…')] : formatFiles(stage, preparation);
  if (stage !== 'training' || progress === null) return [label(stage, '…')];
  return [
    label(stage, `${formatBar(progress.epoch, progress.epochs)}  epoch ${progress.epoch}/${progress.epochs}`),
    label('', formatProgress(progress)),
  ];
}

const formatFiles = (stage: Stage, files: readonly PreparationProgress[]): string[] =>
  files.map((file, index) => label(index === 0 ? stage : '', formatPreparation(file)));

function formatProgress(progress: Progress): string {
  const { iteration, loss, lr, bboxAP, segmAP, etaSeconds } = progress;
  return [
    `iteration ${formatCount(iteration)}`,
    ...(loss === null ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(lr === null ? [] : [`lr ${lr.toPrecision(2)}`]),
    ...(bboxAP === null ? [] : [`bbox AP ${formatPoints(bboxAP)}`]),
    ...(segmAP === null ? [] : [`segm AP ${formatPoints(segmAP)}`]),
    ...listSpeed(progress),
    etaSeconds === null ? 'time left unknown' : `${formatDuration(etaSeconds)} left`,
  ].join('  ');
}

function formatBar(done: number, total: number): string {
  const filled = total === 0 ? 0 : Math.min(barWidth, Math.round((barWidth * done) / total));
  return `[${'█'.repeat(filled)}${'·'.repeat(barWidth - filled)}]`;
}
