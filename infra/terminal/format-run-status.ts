import { formatAttempt } from '../../activities/shared/summary/format-attempt.ts';
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import type { PreparationProgress, Progress, RunStatus, Stage } from '../../configs/schema/index.ts';
import { formatCount, formatDuration } from '../../activities/shared/summary/format-time.ts';
import { formatPreparation } from './format-preparation.ts';

const stages: Stage[] = ['planning', 'fetching', 'training', 'testing', 'reporting'];
const barWidth = 24;
const labelWidth = 11;

/** How a run stands, for a terminal: a line for each stage, the one that is going on with a bar. Pure. */
export function formatRunStatus(status: RunStatus, obtaining: readonly PreparationProgress[] = []): string[] {
  const { stage, attempts, decisions, ledger, waiting, notice, report, page } = status;
  // Of a run that failed or was cancelled nobody says where it stood: its attempts and decisions tell.
  const isOver = stage === 'failed' || stage === 'cancelled';
  const reached = stage === 'done' ? stages.length : stages.indexOf(stage);
  const lines = (isOver ? [] : stages).flatMap((one, place): string[] => {
    if (place < reached) return [label(one, 'done')];
    return place === reached ? formatStage(one, status, obtaining) : [label(one, '–')];
  });
  const decision = decisions.at(-1);
  return [
    `${status.runId}  ${status.recipe}  ${stage}`,
    ...lines,
    ...attempts.slice(-3).map((attempt) => label('', formatAttempt(attempt))),
    ...(decision === undefined ? [] : [label('decision', `${decision.next}: ${decision.why}`)]),
    ...(ledger.goodput === null ? [] : [label('goodput', `${formatPoints(ledger.goodput)} %`)]),
    ...[waiting, notice].flatMap((text) => (text === null ? [] : [label('waiting', text)])),
    ...(page === null ? [] : [label('page', page)]),
    ...(report === null ? [] : [label('report', report)]),
  ];
}

const label = (name: string, text: string): string => `  ${name.padEnd(labelWidth)}${text}`;

function formatStage(stage: Stage, { progress }: RunStatus, obtaining: readonly PreparationProgress[]): string[] {
  if (stage === 'fetching') return obtaining.length === 0 ? [label(stage, '…')] : formatFiles(stage, obtaining);
  if (stage !== 'training' || progress === null) return [label(stage, '…')];
  return [
    label(stage, `${formatBar(progress.epoch, progress.epochs)}  epoch ${progress.epoch}/${progress.epochs}`),
    label('', formatProgress(progress)),
  ];
}

const formatFiles = (stage: Stage, files: readonly PreparationProgress[]): string[] =>
  files.map((file, place) => label(place === 0 ? stage : '', formatPreparation(file)));

function formatProgress({ iteration, loss, lr, bboxAP, segmAP, etaSeconds }: Progress): string {
  return [
    `iteration ${formatCount(iteration)}`,
    ...(loss === null ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(lr === null ? [] : [`lr ${lr.toPrecision(2)}`]),
    ...(bboxAP === null ? [] : [`bbox AP ${formatPoints(bboxAP)}`]),
    ...(segmAP === null ? [] : [`segm AP ${formatPoints(segmAP)}`]),
    ...(etaSeconds === null ? [] : [`${formatDuration(etaSeconds)} left`]),
  ].join('  ');
}

function formatBar(done: number, all: number): string {
  const filled = all === 0 ? 0 : Math.min(barWidth, Math.round((barWidth * done) / all));
  return `[${'█'.repeat(filled)}${'·'.repeat(barWidth - filled)}]`;
}
