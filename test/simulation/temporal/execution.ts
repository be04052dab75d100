/** One run of a workflow on the server: its history, its workflow tasks and everything that it waits for. */
import { isDeepStrictEqual } from 'node:util';
import { tsToMs } from '@temporalio/common/lib/time.js';
import proto from '@temporalio/proto';
import type { Timer } from '../clock.ts';
import { toJob, type Activation, type Answer, type Command, type Job, type WorkflowExecutor } from '../workflow-vm.ts';
import { ActivityTask } from './activity-task.ts';
import type { ControlWorker } from './control-worker.ts';
import { fromPayload, type Failure, type Payload } from './payload.ts';
import { isDeadlineExceeded, type SimulatedServer } from './server.ts';
import { UpdateRequest } from './update-request.ts';

export type Status = 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'TERMINATED' | 'CONTINUED_AS_NEW';

/** A child workflow and the number of the command that started it. */
interface Parent {
  execution: Execution;
  seq: number;
}

export interface ExecutionStart {
  workflowType: string;
  workflowId: string;
  runId: string;
  args: Payload[];
  parent?: Parent;
  reset?: Reset;
}

/** Origin of a run that a reset has started. */
interface Reset {
  execution: Execution;
  /** Number of workflow tasks that the new run does not repeat. */
  kept: number;
}

/** One workflow task as the history records it: what the workflow was told, and its commands. */
interface RecordedTask {
  activation: Activation;
  commands: Command[];
  patches: string[];
  isOldBuild: boolean;
}

/** A workflow task that was handed to a worker. */
interface StartedTask {
  jobs: Job[];
}

const workflowTaskTimeoutMs = 10_000;
const suggestedHistoryLength = 4_096;

export class Execution {
  readonly workflowType: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly args: Payload[];
  readonly parent: Parent | undefined;
  readonly startedAt: number;
  status: Status = 'RUNNING';
  result: Payload | undefined;
  failure: Failure | undefined;
  /** Number of events in the history, as the server would count them. */
  events = 2;
  /** Whether a worker of the old build ended it. */
  isClosedByOldBuild = false;
  /** Number of workflow tasks that were lost or rejected. */
  lostTasks = 0;
  readonly updates = new Map<string, UpdateRequest>();
  readonly history: RecordedTask[] = [];
  private readonly server: SimulatedServer;
  private readonly inbox: Job[] = [];
  private readonly activities = new Map<number, ActivityTask>();
  private readonly timers = new Map<number, Timer>();
  private readonly children = new Map<number, Execution>();
  private readonly closeListeners: (() => void)[] = [];
  /** Names the workflow task that was handed to a worker; undefined while none is. */
  private startedTask: StartedTask | undefined;
  private updateCount = 0;
  private isTaskScheduled = false;

  constructor(server: SimulatedServer, { workflowType, workflowId, runId, args, parent, reset }: ExecutionStart) {
    this.server = server;
    this.workflowType = workflowType;
    this.workflowId = workflowId;
    this.runId = runId;
    this.args = args;
    this.parent = parent;
    this.startedAt = reset?.execution.startedAt ?? server.clock.now;
    if (reset === undefined) this.deliver({ initializeWorkflow: { workflowId, workflowType, arguments: args } });
    else this.continueFrom(reset);
  }

  get isOpen(): boolean {
    return this.status === 'RUNNING';
  }

  get pendingActivities(): ActivityTask[] {
    return [...this.activities.values()];
  }

  /** Returns whether the workflow waits for a timer, an activity, a child or a workflow task. */
  get waitsForSomething(): boolean {
    return (
      this.timers.size + this.activities.size + this.children.size > 0 ||
      this.isTaskScheduled ||
      this.startedTask !== undefined
    );
  }

  signal(signalName: string, input: Payload[]): void {
    this.events += 1;
    this.deliver({ signalWorkflow: { signalName, input } });
  }

  requestCancel(): void {
    this.events += 1;
    this.deliver({ cancelWorkflow: { reason: 'simulated' } });
  }

  update(name: string, input: Payload[]): UpdateRequest {
    const id = `update-${(this.updateCount += 1)}`;
    const request = new UpdateRequest(id, name);
    this.updates.set(id, request);
    const meta = { identity: 'simulation', updateId: id };
    this.deliver({ doUpdate: { id, protocolInstanceId: id, name, input, runValidator: true, meta } });
    return request;
  }

  terminate(): void {
    this.close('TERMINATED');
  }

  onClose(listener: () => void): void {
    if (this.isOpen) this.closeListeners.push(listener);
    else listener();
  }

  resolveActivity(task: ActivityTask, result: object): void {
    if (!this.activities.delete(task.seq)) return;
    this.events += 2;
    this.deliver({ resolveActivity: { seq: task.seq, result } });
  }

  /** Runs a workflow task on a worker: the task ends when its answer reaches the server, or times out. */
  async runTask(worker: ControlWorker): Promise<void> {
    this.isTaskScheduled = false;
    if (!this.isOpen || this.startedTask !== undefined) return;
    const { server } = this;
    const jobs = orderJobs(this.inbox.splice(0));
    const task = { jobs };
    this.startedTask = task;
    const startedAt = server.clock.now;
    server.later(workflowTaskTimeoutMs, () => this.loseTask(task));
    await worker.process.sleep(server.taskLatencyMs());
    if (this.startedTask !== task) return;
    // The old build cannot replay the patches of the present one.
    if (worker.isOldBuild && this.history.some(({ patches }) => patches.length > 0)) return this.loseTask(task);
    const activation: Activation = {
      jobs,
      at: startedAt,
      historyLength: this.events,
      flags: [],
      continueAsNewSuggested: this.events > suggestedHistoryLength,
    };
    const executor = await worker.executor(this);
    const answer = await server.whileActivating(() => executor.activate(activation, worker.isOldBuild));
    const complete = () => this.complete(task, activation, answer, worker.isOldBuild);
    await server.call(worker.process, complete, workflowTaskTimeoutMs).catch((error: unknown) => {
      if (!isDeadlineExceeded(error)) server.violate('workflow task', `${this.workflowId}: ${String(error)}`);
      this.loseTask(task);
    });
    if (this.status !== 'RUNNING') await worker.finish(this);
  }

  /** Replays the history in a new instance, and compares its commands with the recorded ones. */
  async replay(executor: WorkflowExecutor): Promise<void> {
    for (const [place, { activation, commands, patches }] of this.history.entries()) {
      const markers = patches.map((patchId) => toJob({ notifyHasPatch: { patchId } }));
      const answer = await executor.activate({ ...activation, jobs: [...markers, ...activation.jobs] }, true);
      if ('failure' in answer)
        return this.server.violate(
          'determinism',
          `${this.workflowId}: replay of task ${place} failed: ${answer.failure?.message ?? ''}`,
        );
      const replayed = comparable(answer.commands);
      if (!isDeepStrictEqual(replayed, comparable(commands)))
        return this.server.violate(
          'determinism',
          `${this.workflowId}: replay of task ${place} gives other commands: ${format(replayed)} instead of ${format(commands)}`,
        );
    }
  }

  /** Accepts the answer of a workflow task, unless the task is over. */
  private complete(task: StartedTask, activation: Activation, answer: Answer, isOldBuild: boolean): void {
    const { server, inbox } = this;
    if (this.startedTask !== task || !this.isOpen) return;
    this.startedTask = undefined;
    if ('failure' in answer) {
      server.violate('workflow task', `${this.workflowId}: ${answer.failure?.message ?? 'failed'}`);
      return this.close('TERMINATED');
    }
    const closes = answer.commands.some(isClosing);
    if (closes && inbox.length > 0) {
      // UnhandledCommand: the workflow must see what arrived in the meantime before it may end.
      server.trace(`${this.workflowId}: end rejected, because ${inbox.length} events arrived`);
      return this.repeatTask(activation.jobs);
    }
    server.trace(`${this.workflowId}: ${formatJobs(activation.jobs)} -> ${format(answer.commands)}`);
    this.record(activation, answer.commands, answer.flags, isOldBuild);
    this.isClosedByOldBuild = closes && isOldBuild;
    for (const command of answer.commands) this.apply(command, isOldBuild);
    if (inbox.length > 0) this.scheduleTask();
  }

  private loseTask(task: StartedTask): void {
    if (this.startedTask !== task || !this.isOpen) return;
    this.startedTask = undefined;
    this.server.trace(`${this.workflowId}: workflow task lost`);
    this.repeatTask(task.jobs);
  }

  /** Schedules a workflow task again. An instance that has run it already is ahead of the history, so it is evicted. */
  private repeatTask(jobs: readonly Job[]): void {
    this.lostTasks += 1;
    this.server.evict(this.runId);
    this.inbox.unshift(...jobs);
    this.scheduleTask();
  }

  private record(activation: Activation, commands: Command[], flags: number[], isOldBuild: boolean): void {
    const rejected = new Set(
      commands.flatMap(({ updateResponse }) =>
        updateResponse?.rejected == null ? [] : [updateResponse.protocolInstanceId],
      ),
    );
    const accepted = new Set(
      commands.flatMap(({ updateResponse }) =>
        updateResponse?.accepted == null ? [] : [updateResponse.protocolInstanceId],
      ),
    );
    // A rejected update leaves no trace in the history, and an accepted one is not validated again.
    const jobs = activation.jobs.flatMap((job) => {
      const { doUpdate } = job;
      if (doUpdate == null) return [job];
      const isRejected = rejected.has(doUpdate.protocolInstanceId) && !accepted.has(doUpdate.protocolInstanceId);
      return isRejected ? [] : [toJob({ doUpdate: { ...doUpdate, runValidator: false } })];
    });
    const patches = commands.flatMap(({ setPatchMarker }) => setPatchMarker?.patchId ?? []);
    if (jobs.length === 0) return;
    this.history.push({ activation: { ...activation, jobs, flags }, commands, patches, isOldBuild });
    this.events += 3 + commands.length;
  }

  /** Returns whether a reset to this task is simulated. Runs with parents or children are not reset. */
  canReset(kept: number): boolean {
    const started = this.history.slice(0, kept).flatMap(({ commands }) => commands);
    return (
      this.isOpen &&
      this.parent === undefined &&
      this.history.length > kept &&
      started.every(({ startChildWorkflowExecution }) => startChildWorkflowExecution == null)
    );
  }

  /**
   * Takes over a history up to a task: that task receives its jobs again, activities without a result start again, and
   * later signals, updates and cancellations are delivered again.
   */
  private continueFrom({ execution, kept }: Reset): void {
    const { history, updates } = execution;
    this.isTaskScheduled = true;
    this.history.push(...history.slice(0, kept));
    const [repeated, ...later] = history.slice(kept);
    const delivered = [...this.history, ...(repeated === undefined ? [] : [repeated])].flatMap(
      ({ activation }) => activation.jobs,
    );
    const resolved = new Set(delivered.flatMap(({ resolveActivity }) => resolveActivity?.seq ?? []));
    const fired = new Set(delivered.flatMap(({ fireTimer }) => fireTimer?.seq ?? []));
    this.updateCount = execution.updateCount;
    for (const { activation, commands, isOldBuild } of this.history) {
      this.events = activation.historyLength + commands.length;
      for (const { doUpdate } of activation.jobs) this.expectUpdate(doUpdate, updates);
      for (const command of commands)
        if (!resolved.has(command.scheduleActivity?.seq ?? 0) && !fired.has(command.startTimer?.seq ?? 0))
          this.apply(command, isOldBuild, this.server.clock.now - activation.at);
    }
    const isRequest = ({ signalWorkflow, doUpdate, cancelWorkflow }: Job) =>
      signalWorkflow != null || doUpdate != null || cancelWorkflow != null;
    const unseen = [...(execution.startedTask?.jobs ?? []), ...execution.inbox];
    const requests = [...later.flatMap(({ activation }) => activation.jobs), ...unseen].filter(isRequest);
    for (const job of [...(repeated?.activation.jobs ?? []), ...requests]) {
      this.expectUpdate(job.doUpdate, updates);
      this.deliver(job.doUpdate == null ? job : { doUpdate: { ...job.doUpdate, runValidator: true } });
    }
    this.isTaskScheduled = false;
    this.scheduleTask();
  }

  /** The client of an update that is delivered again waits for its outcome in this run. */
  private expectUpdate(update: Job['doUpdate'], known: ReadonlyMap<string, UpdateRequest>): void {
    const id = update?.protocolInstanceId ?? '';
    const found = known.get(id);
    if (found !== undefined) this.updates.set(id, new UpdateRequest(id, found.name));
  }

  /** @param agoMs time since the server received the command, in a history that a reset took over. */
  private apply(command: Command, isOldBuild: boolean, agoMs = 0): void {
    const { server } = this;
    if (command.scheduleActivity != null) {
      const task = new ActivityTask(server, this, command.scheduleActivity, isOldBuild);
      this.activities.set(task.seq, task);
      server.enqueue(task);
    } else if (command.requestCancelActivity != null) this.cancelActivity(command.requestCancelActivity.seq ?? 0);
    else if (command.startTimer != null) {
      const { seq = 0, startToFireTimeout } = command.startTimer;
      const timer = server.later(tsToMs(startToFireTimeout) - agoMs, () => {
        this.timers.delete(seq ?? 0);
        this.events += 1;
        this.deliver({ fireTimer: { seq } });
      });
      this.timers.set(seq ?? 0, timer);
    } else if (command.cancelTimer != null) {
      const seq = command.cancelTimer.seq ?? 0;
      server.clock.cancel(this.timers.get(seq));
      this.timers.delete(seq);
    } else if (command.startChildWorkflowExecution != null) this.startChild(command.startChildWorkflowExecution);
    else if (command.cancelChildWorkflowExecution != null)
      this.children.get(command.cancelChildWorkflowExecution.childWorkflowSeq ?? 0)?.requestCancel();
    else if (command.updateResponse != null) {
      const { protocolInstanceId, accepted, rejected, completed } = command.updateResponse;
      const update = this.updates.get(protocolInstanceId ?? '');
      if (accepted != null) update?.accept();
      else if (rejected != null) update?.fail(rejected);
      else update?.complete(completed as Payload);
    } else if (command.completeWorkflowExecution != null) {
      this.result = command.completeWorkflowExecution.result as Payload;
      this.close('COMPLETED');
    } else if (command.failWorkflowExecution != null) {
      this.failure = command.failWorkflowExecution.failure as Failure;
      this.close('FAILED');
    } else if (command.cancelWorkflowExecution != null) this.close('CANCELLED');
    else if (command.continueAsNewWorkflowExecution != null) {
      this.close('CONTINUED_AS_NEW');
      server.continueAsNew(this, command.continueAsNewWorkflowExecution.arguments ?? []);
    } else if (command.setPatchMarker == null && command.upsertWorkflowSearchAttributes == null)
      throw new Error(
        `the simulated server does not know the command ${Object.keys(command).join(', ')}: add it to execution.ts`,
      );
  }

  private cancelActivity(seq: number): void {
    const task = this.activities.get(seq);
    if (task === undefined) return;
    // TRY_CANCEL and ABANDON: the workflow continues at once, and the activity learns of it, or not.
    const { tryCancel, abandon } = cancellationTypes;
    const type = task.cancellationType;
    if (type !== abandon) task.requestCancel();
    if (type === tryCancel || type === abandon) {
      const failure = {
        message: 'Activity cancelled',
        activityFailureInfo: { activityId: String(seq), activityType: { name: task.type } },
        cause: { message: 'Cancelled', canceledFailureInfo: {} },
      };
      this.resolveActivity(task, { cancelled: { failure } });
    }
  }

  private startChild(command: NonNullable<Command['startChildWorkflowExecution']>): void {
    const seq = command.seq ?? 0;
    const { workflowId, workflowType } = command;
    const child = this.server.tryStart({
      workflowType: workflowType ?? '',
      workflowId: workflowId ?? '',
      args: command.input ?? [],
      parent: { execution: this, seq },
    });
    this.events += 2;
    if (child === undefined) {
      return this.deliver({
        resolveChildWorkflowExecutionStart: { seq, failed: { workflowId, workflowType, cause: alreadyExists } },
      });
    }
    this.children.set(seq, child);
    this.deliver({ resolveChildWorkflowExecutionStart: { seq, succeeded: { runId: child.runId } } });
    child.onClose(() => this.resolveChild(seq, child));
  }

  private resolveChild(seq: number, { status, result, failure, workflowId, workflowType }: Execution): void {
    this.children.delete(seq);
    this.events += 1;
    const childWorkflowExecutionFailureInfo = {
      workflowExecution: { workflowId },
      workflowType: { name: workflowType },
    };
    const wrap = (cause: Failure) => ({
      failure: { message: 'Child Workflow execution failed', cause, childWorkflowExecutionFailureInfo },
    });
    const outcome =
      status === 'COMPLETED'
        ? { completed: { result } }
        : status === 'CANCELLED'
          ? { cancelled: wrap({ message: 'Cancelled', canceledFailureInfo: {} }) }
          : { failed: wrap(failure ?? { message: 'Terminated', terminatedFailureInfo: {} }) };
    this.deliver({ resolveChildWorkflowExecution: { seq, result: outcome } });
  }

  private deliver(job: Job): void {
    if (!this.isOpen) return;
    this.inbox.push(toJob(job));
    if (this.startedTask === undefined) this.scheduleTask();
  }

  private scheduleTask(): void {
    if (!this.isOpen || this.isTaskScheduled || this.inbox.length === 0) return;
    this.isTaskScheduled = true;
    this.server.enqueueWorkflowTask(this);
  }

  private close(status: Status): void {
    this.status = status;
    this.events += 1;
    for (const task of this.activities.values()) task.abandon();
    for (const timer of this.timers.values()) this.server.clock.cancel(timer);
    this.activities.clear();
    this.timers.clear();
    this.children.clear();
    for (const update of this.updates.values()) update.loseWorkflow();
    this.server.hasClosed(this);
    for (const listener of this.closeListeners) listener();
  }
}

const { START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS: alreadyExists } =
  proto.coresdk.child_workflow.StartChildWorkflowExecutionFailedCause;
const cancellationTypes = { tryCancel: 0, waitCompleted: 1, abandon: 2 } as const;

const isClosing = (command: Command): boolean =>
  command.completeWorkflowExecution != null ||
  command.failWorkflowExecution != null ||
  command.cancelWorkflowExecution != null ||
  command.continueAsNewWorkflowExecution != null;

/** Orders jobs as the SDK does: signals and updates before everything else. */
const orderJobs = (jobs: Job[]): Job[] => [...jobs].sort((a, b) => rankOf(a) - rankOf(b));
const rankOf = ({ initializeWorkflow, signalWorkflow, doUpdate }: Job): number =>
  initializeWorkflow != null ? 0 : signalWorkflow != null || doUpdate != null ? 1 : 2;

/** Removes what may differ between two executions of the same code. */
const comparable = (commands: readonly Command[]): Command[] =>
  commands
    .filter(({ setPatchMarker, updateResponse }) => setPatchMarker == null && updateResponse?.rejected == null)
    .map((command) => {
      const failure = command.failWorkflowExecution?.failure;
      return failure == null
        ? command
        : {
            failWorkflowExecution: {
              failure: { message: failure.message, applicationFailureInfo: failure.applicationFailureInfo },
            },
          };
    });

/** Formats commands for the trace: their names, and what they concern. */
const format = (commands: readonly Command[]): string =>
  commands
    .filter(({ upsertWorkflowSearchAttributes }) => upsertWorkflowSearchAttributes == null)
    .map((command) => {
      const [name = '', content] = Object.entries(command).find(([, value]) => value != null) ?? [];
      const { activityType, seq } = content as { activityType?: string; seq?: number };
      return `${activityType ?? name}${seq === undefined ? '' : ` ${seq}`}`;
    })
    .join(', ') || 'no commands';

const formatJobs = (jobs: readonly Job[]): string =>
  jobs
    .map((job) => {
      const { resolveActivity, signalWorkflow, doUpdate } = job;
      if (resolveActivity != null)
        return `activity ${resolveActivity.seq} ${Object.keys(resolveActivity.result ?? {})[0]}`;
      if (signalWorkflow != null) return `signal ${signalWorkflow.signalName}`;
      if (doUpdate != null) return `update ${doUpdate.name}`;
      return Object.keys(job)[0];
    })
    .join(', ');

/** Returns the payload of a query's answer as a value. */
export const answerOf = (command: Command | undefined): unknown =>
  fromPayload(command?.respondToQuery?.succeeded?.response);
