import { formatAp } from '../../activities/shared/summary/format-score.ts';
import type { RunStatus } from '../../configs/schema/index.ts';
import { color } from './color.ts';

/** Formats what changed between two statuses of a run, one line per change. */
export function formatStatusChange(before: RunStatus | undefined, now: RunStatus): string[] {
  const lines: string[] = [];
  if (before?.stage !== now.stage) lines.push(color('bold', now.stage));
  for (const { name, verdict, message } of now.checks.slice(before?.checks.length ?? 0)) {
    if (verdict !== 'ok') lines.push(`${color(verdict === 'error' ? 'red' : 'yellow', verdict)}: ${name}: ${message}`);
  }
  for (const { step, hit, why } of now.steps.slice(before?.steps.length ?? 0)) {
    // The outcome of a training that ran is known at its end, when the lines of its epochs have said more.
    if (step !== 'training' || hit) lines.push(`${step}: ${why}`);
  }
  for (const [index, decision] of now.decisions.entries()) {
    if (before !== undefined && index < before.decisions.length) continue;
    const attempt = now.attempts[index];
    if (attempt?.cause) lines.push(`attempt ${decision.attempt} ended: ${attempt.cause}`);
    lines.push(`decision: ${decision.next} (${decision.why})${decision.change === null ? '' : `: ${decision.change}`}`);
  }
  if (now.waiting !== null && before?.waiting !== now.waiting) lines.push(now.waiting);
  if (now.notice !== null && before?.notice !== now.notice) lines.push(now.notice);
  const { progress } = now;
  const old = before?.progress;
  if (
    now.stage === 'training' &&
    progress !== null &&
    (old?.epoch !== progress.epoch || old.bboxAP !== progress.bboxAP)
  ) {
    lines.push(
      `epoch ${progress.epoch}/${progress.epochs}  iteration ${progress.iteration}` +
        `  loss ${progress.loss?.toFixed(3) ?? '–'}  box AP ${formatAp(progress.bboxAP)}  mask AP ${formatAp(progress.segmAP)}`,
    );
  }
  return lines;
}
