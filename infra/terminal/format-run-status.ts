import { formatAttempt } from '../../activities/shared/summary/format-attempt.ts';
import { formatCodeChanges } from '../../activities/shared/summary/format-code.ts';
import { formatEpochChange } from '../../activities/shared/summary/format-epochs.ts';
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import { listSpeed } from '../../activities/shared/summary/format-speed.ts';
import { formatGpuProblem } from '../../activities/shared/summary/format-gpu-problem.ts';
import type { Decision, PreparationProgress, Progress, RunStatus, Stage } from '../../configs/schema/index.ts';
import { formatDuration } from '../../activities/shared/summary/format-time.ts';
import { formatEpochProgress, trainedShare } from '../../activities/shared/summary/epoch-progress.ts';
import { color, colorState } from './color.ts';
import { formatPreparation } from './format-preparation.ts';
import { formatRunFailure } from './format-run-failure.ts';
import { joinParts, labelLines, terminalWidth } from './layout.ts';

const stages: Stage[] = ['planning', 'fetching', 'training', 'testing', 'reporting'];
const barWidth = 24;

interface StatusView {
  /** Files of the preparation. */
  preparation?: readonly PreparationProgress[];
  /** State of the workflow, as formatState returns it; by default its stage. */
  state?: string;
  width?: number;
}

/** Formats the status of a run: one line per stage, with a progress bar for the current one. */
export function formatRunStatus(status: RunStatus, view: StatusView = {}): string[] {
  const { state = status.stage, width = terminalWidth() } = view;
  const { attempts, decisions, ledger, waiting, notice, failure, report, detector, page } = status;
  const label = (name: string, text: string) => labelLines(name, text, width);
  const decision = decisions.at(-1);
  const codeChanges = formatCodeChanges(attempts);
  return [
    `${color('bold', status.runId)}  ${status.recipe}  ${colorState(state)}`,
    ...formatStages(status, view, width),
    ...attempts.slice(-3).flatMap((attempt) => label('', formatAttempt(attempt))),
    ...(codeChanges === undefined ? [] : label('code', codeChanges)),
    ...(status.epochChanges ?? []).slice(-1).flatMap((change) => label('epochs', formatEpochChange(change))),
    ...(decision === undefined ? [] : label('decision', formatDecision(decision))),
    ...(status.gpus ?? []).flatMap((problem) => label('GPU', formatGpuProblem(problem))),
    ...(ledger.goodput === null ? [] : label('goodput', `${formatPoints(ledger.goodput)} %`)),
    ...[waiting, notice].flatMap((text) => (text === null ? [] : label('waiting', text))),
    ...(failure === undefined ? [] : formatRunFailure(failure, status.runId, width)),
    ...(page === null ? [] : label('page', page)),
    ...(report === null ? [] : label('report', report)),
    ...(detector === undefined ? [] : label('detector', detector)),
  ];
}

/** A cancelled run does not contain the stage that it had reached. */
function formatStages(status: RunStatus, { preparation = [] }: StatusView, width: number): string[] {
  const { stage, failure } = status;
  const current = failure?.stage ?? stage;
  const reached = current === 'done' ? stages.length : stages.indexOf(current);
  if (reached < 0) return [];
  return stages.flatMap((name, index) => {
    if (index < reached) return labelLines(name, color('green', 'done'), width);
    if (index > reached) return labelLines(name, '–', width);
    return failure === undefined
      ? formatStage(name, status, preparation, width)
      : labelLines(name, color('red', 'failed'), width);
  });
}

const formatDecision = ({ next, why, change }: Decision): string =>
  `${next}: ${why}${change === null ? '' : ` (${change})`}`;

function formatStage(
  stage: Stage,
  { progress }: RunStatus,
  preparation: readonly PreparationProgress[],
  width: number,
): string[] {
  if (stage === 'fetching' && preparation.length > 0)
    return preparation.flatMap((file, index) => labelLines(index === 0 ? stage : '', formatPreparation(file), width));
  if (stage !== 'training' || progress === null) return labelLines(stage, '…', width);
  return [
    ...labelLines(stage, `${formatBar(trainedShare(progress))}  ${formatTimeLeft(progress)}`, width),
    ...joinParts(listProgress(progress), width).flatMap((line) => labelLines('', line, width)),
  ];
}

const formatTimeLeft = ({ etaSeconds }: Progress): string =>
  etaSeconds === null ? 'time left unknown' : `${formatDuration(etaSeconds)} left`;

/** Lists the progress of a training, most important first: lines may be cut at the bottom of a small terminal. */
function listProgress(progress: Progress): string[] {
  const { loss, lr, bboxAP, segmAP } = progress;
  return [
    formatEpochProgress(progress),
    ...(loss === null ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(lr === null ? [] : [`lr ${lr.toPrecision(2)}`]),
    ...(bboxAP === null ? [] : [`box AP ${formatPoints(bboxAP)}`]),
    ...(segmAP === null ? [] : [`mask AP ${formatPoints(segmAP)}`]),
    ...listSpeed(progress),
  ];
}

function formatBar(share: number): string {
  const filled = Math.min(barWidth, Math.floor(barWidth * share));
  const bar = `${color('green', '█'.repeat(filled))}${color('dim', '·'.repeat(barWidth - filled))}`;
  return `[${bar}]  ${String(Math.floor(100 * share)).padStart(3)} %`;
}
