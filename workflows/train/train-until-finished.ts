import { ApplicationFailure, CancelledFailure, sleep } from '@temporalio/workflow';
import { errorCatalogue } from '../../configs/errors.ts';
import { hostsOf } from '../../configs/schema/plan-hosts.ts';
import type { Attempt, Rollback, RunPlan } from '../../configs/schema/index.ts';
import { decideNext } from './decide.ts';
import type { ControlHandlers } from './control-handlers.ts';
import { leaderOf, diskSpace } from '../support/policies.ts';
import { runAttempt } from './run-attempt.ts';
import type { StatusBoard } from './status-board.ts';
import { trainTogether } from './train-together.ts';
import type { Verdict } from './verdict.ts';

/** Attempt after attempt until one finishes. What follows an ending is decided in decide.ts and nowhere else. */
export async function trainUntilFinished(
  plan: RunPlan,
  board: StatusBoard,
  operator: ControlHandlers,
  { priority, onVerdict }: { priority: number | undefined; onVerdict: (attempt: Attempt, verdict: Verdict) => void },
) {
  const since = Date.now() / 1000;
  const hosts = hostsOf(plan);
  let rollback: Rollback | null = null;
  let queuedSince = since;
  for (let number = 1; ; number++) {
    await operator.untilResumed();
    const request = { plan, attempt: number, orders: operator.orders, rollback, since, queuedSince, priority };
    const attempt = await operator.interruptible(() =>
      hosts.length > 1 ? trainTogether(request, hosts, board) : runAttempt(request, board),
    );
    // Who had GPUs and lost them asks anew; who lost only the worker keeps the place.
    if (attempt?.outcome !== 'worker-lost') queuedSince = Date.now() / 1000;
    if (attempt === undefined) continue;
    const { orders, asked, secondsSinceAsked } = operator;
    const verdict = decideNext({ attempts: [...board.attempts, attempt], plan, orders, asked, secondsSinceAsked });
    const { next, why, change, waitSeconds } = verdict;
    board.record(attempt, { at: Date.now() / 1000, attempt: number, next, why, change }, operator.pausedSeconds);
    onVerdict(attempt, verdict);
    if (verdict.orders !== undefined) operator.order(verdict.orders);
    rollback = verdict.rollback ?? rollback;
    switch (next) {
      case 'test':
        operator.finishTraining();
        return;
      case 'stop':
        operator.finishTraining();
        throw describeStop(attempt, verdict);
      case 'wait-for-space':
        await operator.interruptible(() => waitForSpace(plan, board, attempt));
        break;
      case 'pause':
      case 'adopt':
      case 'again':
        break;
      default:
        next satisfies never;
    }
    if (waitSeconds > 0) await sleep(waitSeconds * 1000);
  }
}

async function waitForSpace(plan: RunPlan, board: StatusBoard, attempt: Attempt): Promise<void> {
  board.notice(`The disk is full. ${attempt.failure?.nextStep ?? ''} ${attempt.failure?.evidence ?? ''}`.trim());
  await diskSpace.waitForSpace.executeWithOptions(leaderOf(plan), [{ runId: plan.runId, bytes: 0 }]);
  board.notice(null);
}

/** A person who cancelled gets a cancelled workflow; anybody else a failure with cause, evidence and next step. */
function describeStop(attempt: Attempt, { code, why }: Verdict): Error {
  if (code === undefined) return new CancelledFailure(why);
  const { cause, failure, logTail } = attempt;
  const lines = [
    `Training stopped: ${why}.`,
    `The last cause: ${cause ?? 'unknown'}`,
    ...(failure === null ? [] : [`${failure.class}: ${failure.meaning}`, `Evidence: ${failure.evidence}`]),
    ...logTail,
    `Next: ${failure !== null && failure.class !== 'unknown' ? failure.nextStep : errorCatalogue[code].nextStep}`,
  ];
  return ApplicationFailure.nonRetryable(lines.join('\n'), code);
}
