/** A worker process that polls task queues and runs activities in the SDK's activity context. */
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import type { Info } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { SimulatedProcess } from '../machine/process.ts';
import type { ActivityTask, ActivityResult } from './activity-task.ts';
import { createClient } from './client.ts';
import { cancelledToFailure, fromPayloads, toFailure, toPayload } from './payload.ts';
import type { SimulatedServer } from './server.ts';

export type Activities = Record<string, (...args: never[]) => Promise<unknown>>;

interface ActivityWorkerOptions {
  process: SimulatedProcess;
  queues: string[];
  activities: Activities;
  /** Longest time between two heartbeats that the worker sends. */
  maxThrottleMs: number;
}

const silent = () => undefined;
const logger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, log: silent };

export class ActivityWorker {
  readonly process: SimulatedProcess;
  private readonly server: SimulatedServer;
  private readonly queues: readonly string[];
  private readonly activities: Activities;
  private readonly maxThrottleMs: number;
  private readonly openPolls: Set<string>;
  private readonly running = new Set<MockActivityEnvironment>();
  private isShuttingDown = false;

  constructor(server: SimulatedServer, { process, queues, activities, maxThrottleMs }: ActivityWorkerOptions) {
    this.server = server;
    this.process = process;
    this.queues = queues;
    this.activities = activities;
    this.maxThrottleMs = maxThrottleMs;
    this.openPolls = new Set(queues);
    server.connect(this);
  }

  polls(queue: string): boolean {
    return this.process.alive && !this.isShuttingDown && this.openPolls.has(queue);
  }

  /** Answers an open poll with a task. A frozen worker receives it when it continues; one that is cut off, never. */
  take(task: ActivityTask): void {
    const { server, process } = this;
    task.start();
    const { token } = task;
    this.openPolls.delete(task.queue);
    void this.pollAgain(task.queue);
    if (server.isReachable(process)) process.later(1, () => void this.execute(task, token));
  }

  /** Cancels all activities, waits until they have ended, and exits, as a worker does on SIGTERM. */
  shutDown(): void {
    this.isShuttingDown = true;
    for (const environment of this.running)
      environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
    const waitForEnd = () => {
      if (this.running.size === 0) this.process.exit(0);
      else this.process.later(200, waitForEnd);
    };
    waitForEnd();
  }

  private async pollAgain(queue: string): Promise<void> {
    await this.server.call(this.process, () => this.openPolls.add(queue));
    if (this.queues.includes(queue)) this.server.dispatch();
  }

  private async execute(task: ActivityTask, token: string): Promise<void> {
    const { server, process } = this;
    const run = this.activities[task.type];
    if (run === undefined) throw new Error(`the simulation has no activity ${task.type}: add it to activities.ts`);
    const client = createClient(server, process, () => environment.context.cancellationSignal);
    const environment = new MockActivityEnvironment(infoOf(task, token), { client: client as never, logger });
    const stopHeartbeats = this.sendHeartbeats(environment, task, token);
    this.running.add(environment);
    let result: ActivityResult;
    try {
      const returned = await environment.run(run as never, ...(fromPayloads(task.args) as never[]));
      result = { completed: server.pass('result', toPayload(returned), task.execution.workflowId) };
    } catch (error) {
      const isCancelled = error instanceof CancelledFailure && environment.context.cancellationSignal.aborted;
      result = isCancelled ? { cancelled: cancelledToFailure(error) } : { failed: toFailure(error) };
    }
    stopHeartbeats();
    this.running.delete(environment);
    await server.call(process, () => task.complete(token, result));
  }

  /** Sends the newest heartbeat at once, and later ones at most once per interval. */
  private sendHeartbeats(environment: MockActivityEnvironment, task: ActivityTask, token: string): () => void {
    const { server, process } = this;
    const intervalMs = Math.min(0.8 * task.heartbeatTimeoutMs, this.maxThrottleMs);
    let pending: { details: unknown } | undefined;
    let isThrottled = false;
    let isOver = false;
    const send = async (): Promise<void> => {
      while (pending !== undefined && !isOver) {
        const details = server.pass('heartbeat', toPayload(pending.details), task.execution.workflowId);
        pending = undefined;
        isThrottled = true;
        const answer = await server.call(process, () => task.heartbeat(token, details));
        if (answer === 'cancel') cancel(environment, 'CANCELLED', { cancelRequested: true });
        if (answer === 'not found') cancel(environment, 'NOT_FOUND', { notFound: true });
        await process.sleep(intervalMs);
      }
      isThrottled = false;
    };
    environment.on('heartbeat', (details: unknown) => {
      pending = { details };
      if (!isThrottled) void send();
    });
    return () => (isOver = true);
  }
}

function cancel(environment: MockActivityEnvironment, reason: string, details: object): void {
  if (environment.context.cancellationSignal.aborted) return;
  environment.cancel(reason as never, new ActivityCancellationDetails(details));
}

const infoOf = ({ execution, seq, type, attempt, queue, details }: ActivityTask, token: string): Partial<Info> => ({
  taskToken: Buffer.from(token),
  base64TaskToken: Buffer.from(token).toString('base64'),
  activityId: String(seq),
  activityType: type,
  attempt,
  taskQueue: queue,
  heartbeatDetails: details === undefined ? undefined : fromPayloads([details])[0],
  workflowExecution: { workflowId: execution.workflowId, runId: execution.runId },
  workflowType: execution.workflowType,
});
