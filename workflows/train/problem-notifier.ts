import { condition } from '@temporalio/workflow';
import type { Attempt } from '../../configs/schema/index.ts';
import type { Notifier } from '../support/notify.ts';
import { formatWait } from './format-run.ts';
import type { StatusBoard } from './status-board.ts';
import type { Verdict } from './verdict.ts';

/** Creates a listener that notifies about failed attempts that are retried, and about the recovery after them. */
export function problemNotifier(
  board: StatusBoard,
  { isOn, notify }: Notifier,
): (attempt: Attempt, verdict: Verdict) => void {
  let isFailing = false;
  const notifyRecovery = async (attempt: number): Promise<void> => {
    await condition(() => (board.progress?.attempt ?? 0) > attempt);
    isFailing = false;
    const { progress } = board;
    notify('recovered', `Attempt ${progress?.attempt ?? ''} continues from iteration ${progress?.iteration ?? ''}.`);
  };
  return (attempt, { next, why, change }) => {
    // A lost worker does not stop its trainer, and a failure that stops the run is notified as its end.
    const waits = next === 'ask' || next === 'wait-for-space' || next === 'wait-for-storage';
    const hasFailed = attempt.outcome === 'crashed' || attempt.outcome === 'hung';
    if (!isOn || !(hasFailed || waits) || next === 'stop') return;
    // One message is enough for a storage that stays away.
    if (isFailing && next === 'wait-for-storage') return;
    const cause = attempt.failure?.evidence ?? attempt.cause ?? 'unknown cause';
    const lines = [
      `Attempt ${attempt.attempt} ${attempt.outcome}: ${waits ? formatWait(attempt, board.runId) : cause}`,
      `Next: ${next}, ${why}.`,
      change ?? '',
    ];
    notify(attempt.failure?.reaction === 'rollback' ? 'diverged' : 'stalled', lines.join('\n').trim());
    if (isFailing) return;
    isFailing = true;
    notifyRecovery(attempt.attempt).catch(() => undefined); // the run was cancelled first
  };
}
