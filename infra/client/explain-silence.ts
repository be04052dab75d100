import { hostname } from 'node:os';
import { tsToMs } from '@temporalio/common/lib/time.js';
import type { WorkflowClient, WorkflowHandle } from '@temporalio/client';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/codec-helpers.js';
import { readProcessState } from '../../activities/shared/trainer/process-identity.ts';
import { defaultDeployment, deployment } from '../../configs/deployment.ts';
import { formatLoad } from '../terminal/format-load.ts';

/** `control@HOST:PID everswin VERSION`, which workers/run-worker.ts sets; earlier versions had no version. */
const controlIdentity = /^control@(.+):(\d+)(?: everswin \S+)?$/;
/** A poll waits for tasks for a minute. */
const pollMs = 70_000;
/** Time that a request to the server may take. */
export const serverTimeoutMs = 5_000;

/** The worker may run in another deployment than this command. */
const ofDeployment = deployment === defaultDeployment ? '' : ` of the deployment ${deployment} (EVERSWIN_DEPLOYMENT)`;

/** The server may be that of the stack or another one, and the worker may run on another machine. */
const logOf = (name: string) => `Its log, if everswin up started it: .everswin/logs/${name}.log.`;

interface SilentWorkflow {
  handle: Pick<WorkflowHandle, 'client' | 'workflowId'>;
  taskQueue: string;
  /** Time for which no worker answered. */
  seconds: number;
}

/** Why no control worker answers, and whether one runs, so that it may answer later. */
interface Silence {
  message: string;
  isRunning: boolean;
}

/** Finds out whether a worker fails at the workflow, no control worker runs, or it is stopped, or only slow. */
export async function explainSilence({ handle, taskQueue, seconds }: SilentWorkflow): Promise<Silence> {
  const failure = await readTaskFailure(handle).catch(() => undefined);
  if (failure !== undefined) {
    const message = `A control worker cannot continue ${handle.workflowId}, which waits and loses nothing. ${failure}`;
    return { message, isRunning: false };
  }
  const workers = await listControlWorkers(handle.client, taskQueue).catch(() => undefined);
  if (workers === undefined) {
    const message = `The Temporal server has not answered for ${seconds} s${because(formatLoad())}. Runs continue when it answers. ${logOf('temporal-server')}`;
    return { message, isRunning: true };
  }
  const [running] = workers;
  if (running === undefined) {
    const message = `No control worker${ofDeployment} answered within ${seconds} s. Start one: everswin up, or for a shared server: everswin worker control. If one is running, check its log; everswin up writes .everswin/logs/control-worker.log.`;
    return { message, isRunning: false };
  }
  const { host, pid, state } = running;
  const worker = `The control worker (pid ${pid}${state === undefined ? ` on ${host}` : ''}) has not answered for ${seconds} s`;
  if (state === 'T') return { message: `${worker}: it is stopped. Continue it: kill -CONT ${pid}`, isRunning: true };
  if (state === undefined) return { message: `${worker}. Runs continue and lose nothing.`, isRunning: true };
  const cause = formatLoad();
  const remedy = cause === undefined ? '' : ' Wait until the load falls, or end other programs.';
  const message = `${worker}${because(cause)}. Runs continue and lose nothing.${remedy} ${logOf('control-worker')}`;
  return { message, isRunning: true };
}

const because = (cause: string | undefined): string => (cause === undefined ? '' : `: ${cause}`);

interface ControlWorker {
  host: string;
  pid: number;
  /** State of the process, such as `T`; undefined on another machine. */
  state: string | undefined;
}

/** Lists the control workers of a task queue that run: those of this machine by pid, others by their newest poll. */
async function listControlWorkers(client: WorkflowClient, taskQueue: string): Promise<ControlWorker[]> {
  const { namespace } = client.options;
  const { pollers } = await client.withDeadline(Date.now() + serverTimeoutMs, () =>
    client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue } }),
  );
  const found = pollers.map(async ({ identity, lastAccessTime }) => {
    const [, host = '', pid = ''] = controlIdentity.exec(identity ?? '') ?? [];
    const worker = { host, pid: Number(pid) };
    if (host === hostname()) {
      const state = await readProcessState(worker.pid);
      return state === undefined ? [] : [{ ...worker, state }];
    }
    const isRecent = lastAccessTime != null && Date.now() - tsToMs(lastAccessTime) < pollMs;
    return host !== '' && isRecent ? [{ ...worker, state: undefined }] : [];
  });
  return (await Promise.all(found)).flat();
}

/** Signals and updates may follow a failed workflow task. */
const newestEvents = 20;

/** Returns why the newest workflow task failed, which the server retries; undefined if it did not fail. */
async function readTaskFailure({ client, workflowId }: SilentWorkflow['handle']): Promise<string | undefined> {
  const { namespace, loadedDataConverter } = client.options;
  const { history } = await client.withDeadline(Date.now() + serverTimeoutMs, () =>
    client.workflowService.getWorkflowExecutionHistoryReverse({
      namespace,
      execution: { workflowId },
      maximumPageSize: newestEvents,
    }),
  );
  const newest = history?.events?.find(
    ({ workflowTaskCompletedEventAttributes: completed, workflowTaskFailedEventAttributes: failed }) =>
      completed != null || failed != null,
  );
  const failure = newest?.workflowTaskFailedEventAttributes?.failure;
  return (await decodeOptionalFailureToOptionalError(loadedDataConverter, failure))?.message;
}
