import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';
import type { Attempt, Failure, HostResult } from '../../configs/schema/index.ts';
import { onHost, queuePriority, training } from '../support/policies.ts';
import { lostWatch, runAttempt, unreportedAttempt, type AttemptRequest } from './run-attempt.ts';
import type { StatusBoard } from './status-board.ts';

/** Time before a host whose worker was lost joins again; doubles from the first to the longest. */
const firstRejoinMs = 1_000;
const longestRejoinMs = 60_000;

/**
 * Runs one attempt on several hosts. The first host leads and reports the attempt. Supervisors end together on their own;
 * the workflow ends the attempt when a host has lost its supervisor or could not start one.
 */
export async function runMultiHostAttempt(
  request: AttemptRequest,
  [, ...others]: string[],
  board: StatusBoard,
): Promise<Attempt> {
  const startedAt = Date.now() / 1000;
  const run = CancellationScope.current();
  const leaderScope = new CancellationScope();
  const leader = leaderScope.run(() => runAttempt(request, board));
  const joined = new JoinedHosts(request, others, () => leaderScope.cancel());
  let attempt: Attempt;
  try {
    attempt = await leader;
  } catch (error) {
    await joined.stop();
    if (!isCancellation(error) || run.consideredCancelled) throw error;
    // Another host failed, and the leader was cancelled before it could report.
    attempt = { ...unreportedAttempt(request.attempt, startedAt, board), outcome: 'preempted' };
  }
  if (attempt.outcome === 'worker-lost') {
    joined.release();
    return attempt;
  }
  await joined.stop();
  if (joined.error !== undefined) throw joined.error;
  // The leader reports a preemption because the workflow cancelled it; the cause is the lost host.
  const isCrash = attempt.outcome === 'preempted' && joined.lostHost !== undefined && !run.consideredCancelled;
  if (!isCrash) return attempt;
  return { ...attempt, outcome: 'crashed', cause: joined.lostHost ?? null, failure: joined.failure ?? null };
}

/** Hosts that train under the leader. */
class JoinedHosts {
  /** First host without a supervisor, and why. */
  lostHost: string | undefined;
  /** Class of its failure, if it is known. */
  failure: Failure | undefined;
  /** First error other than a cancellation. */
  error: Error | undefined;
  private readonly request: AttemptRequest;
  private readonly cancelLeader: () => void;
  private isReleased = false;
  private readonly scope = new CancellationScope();
  private readonly ended: Promise<unknown>;

  constructor(request: AttemptRequest, hosts: readonly string[], cancelLeader: () => void) {
    this.request = request;
    this.cancelLeader = cancelLeader;
    this.ended = this.scope.run(() => Promise.all(hosts.map((host) => this.watch(host))));
  }

  /** Leaves the trainers to the next attempt, which adopts them. */
  release(): void {
    this.isReleased = true;
  }

  /** Asks all trainers to save and stop, and waits until they have. */
  async stop(): Promise<void> {
    this.release();
    this.scope.cancel();
    await this.ended;
  }

  private async watch(host: string): Promise<void> {
    try {
      const { outcome, cause, failure } = await this.join(host);
      if (outcome !== 'lost' && outcome !== 'unstarted') return;
      this.failure ??= failure;
      this.lostHost ??= `${host}: ${cause ?? outcome}`;
    } catch (error) {
      if (error instanceof Error && !isCancellation(error)) this.error ??= error;
    }
    this.cancelLeader();
  }

  /** Joins again after the loss of a worker, because its trainer may still run. */
  private async join(host: string): Promise<HostResult> {
    const { plan, attempt, queuedSince, priority } = this.request;
    const options = {
      ...onHost(host),
      priority: queuePriority(priority),
    };
    const request = { plan, host, attempt, ...(queuedSince === undefined ? {} : { queuedSince }), priority };
    for (let rejoinMs = firstRejoinMs; ; rejoinMs = Math.min(2 * rejoinMs, longestRejoinMs)) {
      try {
        return await training.joinTraining.executeWithOptions(options, [request]);
      } catch (error) {
        const lost = lostWatch(error);
        if (lost === undefined) throw error;
        if (this.isReleased) return { outcome: 'preempted', cause: lost.cause };
      }
      await sleep(rejoinMs, { summary: `until ${host} joins again` });
    }
  }
}
