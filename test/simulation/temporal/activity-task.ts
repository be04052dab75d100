/** One scheduled activity on the server: its attempts, timeouts, retries and cancellation. */
import { tsToMs } from '@temporalio/common/lib/time.js';
import proto, { type coresdk } from '@temporalio/proto';
import { isVerdict } from '../../../configs/errors.ts';
import type { Timer } from '../clock.ts';
import type { Execution } from './execution.ts';
import type { Failure, Payload } from './payload.ts';
import type { SimulatedServer } from './server.ts';

type ScheduleActivity = coresdk.workflow_commands.IScheduleActivity;
const { RetryState, TimeoutType } = proto.temporal.api.enums.v1;
const timeoutTypes = {
  'start-to-close': TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE,
  'schedule-to-close': TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE,
  heartbeat: TimeoutType.TIMEOUT_TYPE_HEARTBEAT,
} as const;
const retryStates = {
  nonRetryable: RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE,
  timeout: RetryState.RETRY_STATE_TIMEOUT,
  maximumAttempts: RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED,
  cancelRequested: RetryState.RETRY_STATE_CANCEL_REQUESTED,
} as const;

export type ActivityResult = { completed: Payload } | { failed: Failure } | { cancelled: Failure };

/** Answer to a heartbeat. */
export type HeartbeatAnswer = 'continue' | 'cancel' | 'not found';

const ms = (duration: unknown): number => {
  const found = duration == null ? 0 : tsToMs(duration);
  return found > 0 ? found : Infinity;
};

export class ActivityTask {
  readonly execution: Execution;
  readonly seq: number;
  readonly type: string;
  readonly queue: string;
  readonly args: readonly Payload[];
  readonly heartbeatTimeoutMs: number;
  readonly startToCloseMs: number;
  /** Number of the protocol: what the workflow waits for when it cancels the activity. */
  readonly cancellationType: number;
  attempt = 1;
  /** Details of the newest heartbeat. */
  details: Payload | undefined;
  isCancelRequested = false;
  private state: 'waiting' | 'started' | 'closed' = 'waiting';
  private readonly server: SimulatedServer;
  private readonly command: ScheduleActivity;
  /** Types of errors that are not retried. */
  private readonly finalErrors: readonly string[];
  private heartbeatTimer: Timer | undefined;
  private startToCloseTimer: Timer | undefined;
  private retryTimer: Timer | undefined;
  private readonly scheduleToCloseTimer: Timer | undefined;

  /** @param isOldBuild whether the build before the patches scheduled it, whose outages Temporal retried. */
  constructor(server: SimulatedServer, execution: Execution, command: ScheduleActivity, isOldBuild: boolean) {
    this.server = server;
    this.execution = execution;
    this.command = command;
    const finalErrors = command.retryPolicy?.nonRetryableErrorTypes ?? [];
    this.finalErrors = isOldBuild ? finalErrors.filter(isVerdict) : finalErrors;
    this.seq = command.seq ?? 0;
    this.type = command.activityType ?? '';
    this.queue = command.taskQueue ?? '';
    this.args = command.arguments ?? [];
    this.heartbeatTimeoutMs = ms(command.heartbeatTimeout);
    this.startToCloseMs = ms(command.startToCloseTimeout);
    this.cancellationType = command.cancellationType ?? 0;
    const scheduleToCloseMs = ms(command.scheduleToCloseTimeout);
    if (scheduleToCloseMs < Infinity)
      this.scheduleToCloseTimer = server.later(scheduleToCloseMs, () => this.timeOut('schedule-to-close'));
  }

  get isWaiting(): boolean {
    return this.state === 'waiting';
  }

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** Names the current attempt; results of other attempts are not accepted. */
  get token(): string {
    return `${this.execution.runId}/${this.seq}/${this.attempt}`;
  }

  start(): void {
    this.state = 'started';
    this.startToCloseTimer = this.limit(this.startToCloseMs, 'start-to-close');
    this.renewHeartbeat();
  }

  heartbeat(token: string, details: Payload | undefined): HeartbeatAnswer {
    if (!this.isCurrent(token)) return 'not found';
    this.details = details ?? this.details;
    this.renewHeartbeat();
    return this.isCancelRequested ? 'cancel' : 'continue';
  }

  /** Accepts the result of an attempt. @returns false if that attempt is over. */
  complete(token: string, result: ActivityResult): boolean {
    if (!this.isCurrent(token)) return false;
    if ('failed' in result) this.fail(result.failed);
    else if ('cancelled' in result && !this.isCancelRequested) this.fail(result.cancelled);
    else this.close(result);
    return true;
  }

  requestCancel(): void {
    if (this.state === 'closed' || this.isCancelRequested) return;
    this.isCancelRequested = true;
    const failure: Failure = { message: 'Activity cancelled', canceledFailureInfo: {} };
    // A task that no worker has started is cancelled at once.
    if (this.state === 'waiting') this.close({ cancelled: failure });
  }

  /** Drops the task without a result, because its workflow has ended. */
  abandon(): void {
    this.state = 'closed';
    this.stopTimers();
  }

  private isCurrent(token: string): boolean {
    return this.state === 'started' && token === this.token;
  }

  private timeOut(kind: keyof typeof timeoutTypes): void {
    if (this.state === 'closed') return;
    this.server.trace(`${this.execution.workflowId}: ${kind} timeout of ${this.type} ${this.token}`);
    this.server.onTimeout();
    this.fail({ message: `activity ${kind} timeout`, timeoutFailureInfo: { timeoutType: timeoutTypes[kind] } }, kind);
  }

  private fail(failure: Failure, timeout?: keyof typeof timeoutTypes): void {
    const { retryPolicy } = this.command;
    const type = failure.applicationFailureInfo?.type ?? '';
    const isFinal =
      failure.applicationFailureInfo?.nonRetryable === true ||
      this.finalErrors.includes(type) ||
      timeout === 'schedule-to-close';
    const limit = retryPolicy?.maximumAttempts ?? 0;
    const isExhausted = limit > 0 && this.attempt >= limit;
    if (isFinal || isExhausted || this.isCancelRequested) {
      const state = this.isCancelRequested
        ? retryStates.cancelRequested
        : isFinal
          ? timeout === undefined
            ? retryStates.nonRetryable
            : retryStates.timeout
          : retryStates.maximumAttempts;
      return this.close({ failed: failure }, state);
    }
    this.stopTimers();
    this.state = 'waiting';
    const initial = Math.min(ms(retryPolicy?.initialInterval), 3_600_000);
    const longest = ms(retryPolicy?.maximumInterval);
    const backoff = Math.min(longest, initial * (retryPolicy?.backoffCoefficient ?? 2) ** (this.attempt - 1));
    this.attempt += 1;
    this.retryTimer = this.server.later(backoff, () => this.server.enqueue(this));
  }

  private close(result: ActivityResult, retryState?: number): void {
    this.state = 'closed';
    this.stopTimers();
    this.execution.resolveActivity(this, toResolution(this, result, retryState));
  }

  private renewHeartbeat(): void {
    this.server.clock.cancel(this.heartbeatTimer);
    this.heartbeatTimer = this.limit(this.heartbeatTimeoutMs, 'heartbeat');
  }

  private limit(limitMs: number, kind: keyof typeof timeoutTypes): Timer | undefined {
    const { token } = this;
    if (limitMs === Infinity) return undefined;
    return this.server.later(limitMs, () => {
      if (this.isCurrent(token)) this.timeOut(kind);
    });
  }

  private stopTimers(): void {
    const { clock } = this.server;
    for (const timer of [this.heartbeatTimer, this.startToCloseTimer, this.retryTimer]) clock.cancel(timer);
    if (this.state === 'closed') clock.cancel(this.scheduleToCloseTimer);
  }
}

function toResolution({ type, seq }: ActivityTask, result: ActivityResult, retryState = 0): object {
  if ('completed' in result) return { completed: { result: result.completed } };
  const activityFailureInfo = { activityId: String(seq), activityType: { name: type }, retryState };
  const isFailure = 'failed' in result;
  const cause = isFailure ? result.failed : result.cancelled;
  const failure = { message: 'Activity task failed', cause, activityFailureInfo };
  return isFailure ? { failed: { failure } } : { cancelled: { failure } };
}
