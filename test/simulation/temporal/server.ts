/** Model of the Temporal server: executions by id, task queues, and what clients and workers ask of it. */
import type { Clock, Timer } from '../clock.ts';
import type { Random } from '../../chaos/random.ts';
import type { SimulatedProcess } from '../machine/process.ts';
import type { Failure } from '../workflow-vm.ts';
import type { ActivityTask } from './activity-task.ts';
import type { ControlWorker } from './control-worker.ts';
import type { Message } from '../scenario.ts';
import { Execution, type ExecutionStart } from './execution.ts';
import type { Payload } from './payload.ts';
import type { ActivityWorker } from './activity-worker.ts';

const retryCallMs = 1_000;
const deadlineExceeded = '4 DEADLINE_EXCEEDED';

export const isDeadlineExceeded = (error: unknown): boolean =>
  error instanceof Error && error.message === deadlineExceeded;

interface ServerOptions {
  clock: Clock;
  random: Random;
  trace: (text: string) => void;
  violate: (oracle: string, text: string) => void;
  onClosed: (execution: Execution) => void;
  /** Receives the answer of an ended workflow to the query for its status. */
  onStatus: (execution: Execution, status: unknown) => void;
  /** An attempt of an activity timed out. */
  onTimeout: () => void;
  /** Returns a message to a workflow as it arrives. */
  pass: (message: Message, payload: Payload, workflowId: string) => Payload;
}

export class SimulatedServer {
  readonly clock: Clock;
  readonly trace: (text: string) => void;
  /** Reports a violation that the server itself sees. */
  readonly violate: (oracle: string, text: string) => void;
  readonly executions: Execution[] = [];
  /** Number of activations that run now. The simulation waits for them before the next event. */
  activating = 0;
  /** Processes that are cut off from the server. */
  readonly unreachable = new Set<SimulatedProcess>();
  readonly onStatus: ServerOptions['onStatus'];
  readonly onTimeout: ServerOptions['onTimeout'];
  readonly pass: ServerOptions['pass'];
  private readonly random: Random;
  private readonly onClosed: (execution: Execution) => void;
  private readonly byId = new Map<string, Execution>();
  private readonly workers = new Set<ActivityWorker>();
  private readonly controlWorkers = new Set<ControlWorker>();
  private readonly waitingTasks: ActivityTask[] = [];
  private readonly waitingExecutions: Execution[] = [];
  private isDown = false;
  private overdue: (() => void)[] = [];

  constructor({ clock, random, trace, violate, onClosed, onStatus, onTimeout, pass }: ServerOptions) {
    this.onClosed = onClosed;
    this.onStatus = onStatus;
    this.onTimeout = onTimeout;
    this.pass = pass;
    this.clock = clock;
    this.random = random;
    this.trace = trace;
    this.violate = violate;
  }

  /** Schedules work of the server. While it is down, due work waits. */
  later(delayMs: number, action: () => void): Timer {
    return this.clock.schedule(delayMs, () => {
      if (this.isDown) this.overdue.push(action);
      else action();
    });
  }

  stop(): void {
    this.isDown = true;
  }

  restart(): void {
    this.isDown = false;
    for (const action of this.overdue.splice(0)) action();
    this.dispatch();
  }

  taskLatencyMs(): number {
    return this.random.between(1, 20);
  }

  /** Performs a call of a client or worker. It is repeated until it succeeds or its time is up; it takes effect once. */
  async call<T>(process: SimulatedProcess, action: () => T, deadlineMs = Infinity): Promise<T> {
    const givesUpAt = this.clock.now + deadlineMs;
    let done: { result: T } | undefined;
    for (;;) {
      await process.sleep(this.random.between(0.5, 5));
      if (this.isReachable(process)) {
        done ??= { result: action() };
        await process.sleep(this.random.between(0.5, 5));
        if (this.isReachable(process)) return done.result;
      }
      if (this.clock.now > givesUpAt) throw new Error(deadlineExceeded);
      await process.sleep(retryCallMs);
    }
  }

  // Executions

  newest(workflowId: string): Execution | undefined {
    return this.byId.get(workflowId);
  }

  /** Starts a workflow unless its id is open or completed (ALLOW_DUPLICATE_FAILED_ONLY). */
  tryStart(start: Omit<ExecutionStart, 'runId'>, allowsCompleted = false): Execution | undefined {
    const existing = this.byId.get(start.workflowId);
    if (existing?.isOpen === true) return undefined;
    if (existing?.status === 'COMPLETED' && !allowsCompleted) return undefined;
    return this.start(start);
  }

  /** Drops an instance from the caches of all workers. */
  evict(runId: string): void {
    for (const worker of this.controlWorkers) void worker.evict(runId);
  }

  continueAsNew({ workflowType, workflowId, parent }: Execution, args: Payload[]): void {
    this.start({ workflowType, workflowId, args, ...(parent === undefined ? {} : { parent }) });
  }

  /**
   * Resets a workflow: a new run continues its history up to a task, and the old run is terminated.
   * @param tasks number of workflow tasks that are repeated.
   */
  reset(execution: Execution, tasks: number): void {
    const kept = Math.max(0, execution.history.length - tasks);
    if (!execution.canReset(kept)) return;
    const { workflowType, workflowId, args } = execution;
    this.start({ workflowType, workflowId, args, reset: { execution, kept } });
    execution.terminate();
  }

  hasClosed(execution: Execution): void {
    const how = execution.failure === undefined ? '' : `: ${typeOf(execution.failure)}`;
    this.trace(`${execution.workflowId}: ${execution.status}${how}`);
    this.onClosed(execution);
  }

  private start(start: Omit<ExecutionStart, 'runId'>): Execution {
    const runId = `${start.workflowId}#${this.executions.length + 1}`;
    const execution = new Execution(this, { ...start, runId });
    this.trace(`${start.workflowId}: started as ${runId}`);
    this.executions.push(execution);
    this.byId.set(start.workflowId, execution);
    return execution;
  }

  // Task queues

  connect(worker: ActivityWorker): void {
    this.workers.add(worker);
    this.dispatch();
  }

  connectControl(worker: ControlWorker): void {
    this.controlWorkers.add(worker);
    this.dispatch();
  }

  enqueue(task: ActivityTask): void {
    this.waitingTasks.push(task);
    this.dispatch();
  }

  enqueueWorkflowTask(execution: Execution): void {
    this.waitingExecutions.push(execution);
    this.dispatch();
  }

  findTask(token: string): ActivityTask | undefined {
    const [runId, seq] = splitToken(token);
    const execution = this.executions.find((one) => one.runId === runId);
    return execution?.pendingActivities.find((task) => task.seq === seq && task.token === token);
  }

  /** Hands waiting tasks to workers that poll. */
  dispatch(): void {
    if (this.isDown) return;
    for (const worker of this.workers) if (!worker.process.alive) this.workers.delete(worker);
    for (const worker of this.controlWorkers) if (!worker.process.alive) this.controlWorkers.delete(worker);
    for (const task of this.waitingTasks.splice(0)) {
      if (!task.isWaiting || task.isClosed) continue;
      const candidates = [...this.workers].filter((worker) => worker.polls(task.queue));
      if (candidates.length === 0) this.waitingTasks.push(task);
      else this.random.pick(candidates).take(task);
    }
    for (const execution of this.waitingExecutions.splice(0)) {
      const candidates = [...this.controlWorkers].filter((worker) => worker.polls());
      if (candidates.length === 0) this.waitingExecutions.push(execution);
      else this.random.pick(candidates).takeWorkflowTask(execution);
    }
  }

  /** Returns a worker that can answer a query now. */
  answeringWorker(): ControlWorker | undefined {
    return [...this.controlWorkers].find(
      ({ process }) => process.alive && !process.frozen && this.isReachable(process),
    );
  }

  isReachable(process: SimulatedProcess): boolean {
    return !this.isDown && !this.unreachable.has(process);
  }

  async whileActivating<T>(work: () => Promise<T>): Promise<T> {
    this.activating += 1;
    try {
      return await work();
    } finally {
      this.activating -= 1;
    }
  }
}

const splitToken = (token: string): [runId: string, seq: number] => {
  const parts = token.split('/');
  return [parts[0] ?? '', Number(parts[1])];
};

/** Returns the code of a failure, below the wrappers of activities and children. */
export function typeOf(failure: Failure): string {
  if (failure?.applicationFailureInfo != null) return failure.applicationFailureInfo.type ?? '';
  return failure?.cause == null ? '' : typeOf(failure.cause);
}
