/** The client that activities get: the part of Temporal's client that they use. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ActivityNotFoundError, WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure, defaultDataConverter, TerminatedFailure } from '@temporalio/common';
import type { SimulatedProcess } from '../machine/process.ts';
import type { Execution } from './execution.ts';
import { fromFailure, fromPayload, toFailure, toPayload } from './payload.ts';
import type { SimulatedServer } from './server.ts';

/** Limits of the calls within `withDeadline` and `withAbortSignal`. */
interface CallLimits {
  deadline: number;
  signal: AbortSignal | undefined;
}

const limits = new AsyncLocalStorage<CallLimits>();
const pollMs = 200;

interface StartOptions {
  workflowId: string;
  args: unknown[];
}

/** @param activitySignal of the activity, whose cancellation also ends its calls. */
export function createClient(server: SimulatedServer, process: SimulatedProcess, activitySignal?: () => AbortSignal) {
  const limitsNow = (): CallLimits => limits.getStore() ?? { deadline: Infinity, signal: undefined };
  const call = <T>(action: () => T): Promise<T> =>
    server.call(process, action, limitsNow().deadline - server.clock.now);

  /** Waits for a condition, within the limits of the call. */
  const waitFor = async <T>(find: () => T | undefined): Promise<T> => {
    const { deadline, signal } = limitsNow();
    for (;;) {
      const found = server.isReachable(process) ? find() : undefined;
      if (found !== undefined) return found;
      if (server.clock.now > deadline) throw new Error('4 DEADLINE_EXCEEDED');
      if (signal?.aborted === true || activitySignal?.().aborted === true) throw new Error('1 CANCELLED');
      await process.sleep(pollMs);
    }
  };

  const find = (workflowId: string, runId?: string): Execution => {
    const execution =
      runId === undefined ? server.newest(workflowId) : server.executions.find((one) => one.runId === runId);
    if (execution === undefined) throw new Error(`5 NOT_FOUND: workflow not found for ID: ${workflowId}`);
    return execution;
  };
  const findOpen = (workflowId: string, runId?: string): Execution => {
    const execution = find(workflowId, runId);
    if (!execution.isOpen) throw new Error('5 NOT_FOUND: workflow execution already completed');
    return execution;
  };

  const getHandle = (workflowId: string, runId?: string) => ({
    signal: (name: string, ...args: unknown[]): Promise<void> =>
      call(() => {
        const input = args.map((arg) => server.pass('signal', toPayload(arg), workflowId));
        findOpen(workflowId, runId).signal(name, input);
      }),
    cancel: (): Promise<void> => call(() => findOpen(workflowId, runId).requestCancel()),
    terminate: (): Promise<void> => call(() => findOpen(workflowId, runId).terminate()),
    async query(name: string): Promise<unknown> {
      const execution = await call(() => find(workflowId, runId));
      const worker = await waitFor(() => server.answeringWorker());
      return worker.query(execution, name);
    },
    async executeUpdate(name: string, { args }: { args: unknown[] }): Promise<unknown> {
      const update = await call(() => findOpen(workflowId, runId).update(name, args.map(toPayload)));
      return update.outcome;
    },
    describe: (): Promise<object> =>
      call(() => {
        const { status, parent } = find(workflowId, runId);
        return { status: { name: status }, parentExecution: parent && { workflowId: parent.execution.workflowId } };
      }),
    async result(): Promise<unknown> {
      await call(() => find(workflowId, runId));
      // A continued execution hands its callers on to its successor.
      const execution = await waitFor(() => {
        const found = find(workflowId, runId);
        return found.isOpen || found.status === 'CONTINUED_AS_NEW' ? undefined : found;
      });
      if (execution.status === 'COMPLETED') return fromPayload(execution.result);
      const cause =
        execution.status === 'CANCELLED'
          ? new CancelledFailure('Workflow canceled')
          : execution.status === 'TERMINATED'
            ? new TerminatedFailure('Workflow execution terminated')
            : fromFailure(execution.failure ?? {});
      throw new WorkflowFailedError('Workflow execution failed', cause, 'NON_RETRYABLE_FAILURE');
    },
  });

  const start = (workflowType: string, { workflowId, args }: StartOptions): Promise<Execution> =>
    call(() => {
      const started = server.tryStart({ workflowType, workflowId, args: args.map(toPayload) }, true);
      if (started === undefined) throw new Error(`6 ALREADY_EXISTS: ${workflowId}`);
      return started;
    });

  return {
    options: { namespace: 'default', loadedDataConverter: defaultDataConverter },
    withDeadline: <T>(deadline: number, work: () => Promise<T>): Promise<T> =>
      limits.run({ ...limitsNow(), deadline }, work),
    withAbortSignal: <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
      limits.run({ ...limitsNow(), signal }, work),
    workflow: {
      getHandle,
      start,
      signalWithStart: (
        workflowType: string,
        { workflowId, args, signal, signalArgs }: StartOptions & { signal: string; signalArgs: unknown[] },
      ): Promise<void> =>
        call(() => {
          const open = server.newest(workflowId);
          const target =
            open?.isOpen === true
              ? open
              : server.tryStart({ workflowType, workflowId, args: args.map(toPayload) }, true);
          target?.signal(signal, signalArgs.map(toPayload));
        }),
    },
    activity: {
      fail: (token: Uint8Array, error: Error): Promise<void> =>
        call(() => {
          const text = Buffer.from(token).toString();
          const task = server.findTask(text);
          if (task?.complete(text, { failed: toFailure(error) }) !== true)
            throw new ActivityNotFoundError('activity task not found');
        }),
    },
    workflowService: {
      getWorkflowExecutionHistory: ({
        execution: { workflowId },
      }: {
        execution: { workflowId: string };
      }): Promise<object> =>
        call(() => ({
          history: {
            events: [{ workflowExecutionStartedEventAttributes: { input: { payloads: find(workflowId).args } } }],
          },
        })),
    },
  };
}
