import { existsSync } from 'node:fs';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { formatHolders, formatRunOfUser } from '../../activities/shared/trainer/format-gpu-wait.ts';
import { readGpuLeases } from '../../activities/shared/trainer/gpu-leases.ts';
import type { RunFailure } from '../../configs/schema/index.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { findFinishedRun } from '../client/finished-runs.ts';
import { findWorkflow, toWorkflowId, type NamedWorkflow } from '../client/find-workflow.ts';
import { formatRetrainStatus, queryRetraining } from '../client/follow-retrain.ts';
import { queryRun } from '../client/follow-run.ts';
import { formatSweepStatus, querySweep } from '../client/follow-sweep.ts';
import { formatListedRun } from '../client/format-runs.ts';
import { listRuns } from '../client/list-runs.ts';
import { formatPausedActivities } from '../client/paused-activities.ts';
import { readRunFailure } from '../client/run-failure.ts';
import { queryStatus } from '../client/send-update.ts';
import { withClient } from '../client/with-client.ts';
import { stateOf } from '../client/workflow-state.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { color, colorState } from '../terminal/color.ts';
import { formatError } from '../terminal/format-error.ts';
import { formatRunFailure } from '../terminal/format-run-failure.ts';
import { formatRunStatus } from '../terminal/format-run-status.ts';
import { labelLines } from '../terminal/layout.ts';
import { fail } from '../terminal/program.ts';
import { workflowPage } from '../terminal/workflow-page.ts';

const gpuLeasesTimeoutMs = 10_000;

/** Patience for a worker, if the server already knows how the workflow ended. */
const shortPatience = { seconds: 3, tries: 1 };

interface StatusOptions {
  address?: string | undefined;
  json?: boolean | undefined;
}

/** Shows a run, a sweep or a retraining; without a name, lists the newest runs. */
export async function status(name: string | undefined, { address, json = false }: StatusOptions): Promise<void> {
  const home = defaultHome();
  await withClient(address, async (client, server) => {
    if (name === undefined) {
      const runs = await listRuns(client, home, json);
      return console.log([...runs, ...(json ? [] : await formatGpuLeases())].join('\n'));
    }
    const workflow = await findWorkflow(client, name).catch(async (error: unknown) => {
      const finished = await findFinishedRun(home, toWorkflowId(name));
      if (finished === undefined) throw error;
      return finished;
    });
    if ('id' in workflow) return console.log(json ? toJson(workflow) : formatListedRun(workflow).join('\n'));
    const { handle, description } = workflow;
    const lines = await readStatus(client, workflow, json);
    if (lines === undefined) return fail(`${name} is no training, evaluation, sweep or retraining.`);
    console.log(lines.join('\n'));
    const paused = formatPausedActivities(description);
    if (!json && paused !== undefined && !lines.some((line) => line.includes(paused)))
      console.log(labelLines('waiting', paused).join('\n'));
    const page = workflowPage(server, handle.workflowId);
    if (!json && page !== undefined) console.log(labelLines('UI', page).join('\n'));
  });
}

/** Formats who holds the GPUs of this machine and who waits for them, in any deployment and of any user. */
async function formatGpuLeases(): Promise<string[]> {
  const { python, gpus } = createDependencies('cpu');
  if (!existsSync(gpus.folder)) return [];
  try {
    const { holders, waiting } = await readGpuLeases(python, gpus.folder, AbortSignal.timeout(gpuLeasesTimeoutMs));
    const queue = waiting.map((one) => `run ${formatRunOfUser(one)} waits for ${one.gpus}`);
    return [...formatHolders(holders), ...queue].flatMap((text) => labelLines('GPUs', text));
  } catch (error) {
    return labelLines('GPUs', formatError(error));
  }
}

/** Reads a status from a worker, or without one what the server knows of a workflow that has ended. */
async function readStatus(client: Client, workflow: NamedWorkflow, json: boolean): Promise<string[] | undefined> {
  const { name, handle, description } = workflow;
  const failure = await readRunFailure(handle, description);
  const hasEnded = description.status.name !== 'RUNNING';
  try {
    // Fails soon without a worker, where each further query would wait for 30 s.
    await queryStatus(client, workflow, hasEnded ? shortPatience : undefined);
    return await formatWorkflow(workflow, failure, json);
  } catch (error) {
    if (!hasEnded) throw error;
    const state = stateOf(description);
    if (json) return [toJson({ runId: name, stage: state, ...(failure && { failure }) })];
    return [`${color('bold', name)}  ${colorState(state)}`, ...formatFailure(failure, name)];
  }
}

async function formatWorkflow(
  { name, handle }: NamedWorkflow,
  failure: RunFailure | undefined,
  json: boolean,
): Promise<string[] | undefined> {
  const run = await queryRun(handle);
  if (run !== undefined) {
    const told = { ...run.status, ...(failure && { failure: run.status.failure ?? failure }) };
    return json ? [toJson({ ...run, status: told })] : formatRunStatus(told, run);
  }
  const lines = await formatOtherWorkflow(handle, json);
  return json || lines === undefined ? lines : [...lines, ...formatFailure(failure, name)];
}

/** Formats a sweep or a retraining. */
async function formatOtherWorkflow(handle: WorkflowHandle, json: boolean): Promise<string[] | undefined> {
  const sweep = await querySweep(handle);
  if (sweep !== undefined) return json ? [toJson(sweep)] : formatSweepStatus(sweep);
  const retraining = await queryRetraining(handle);
  if (retraining === undefined) return undefined;
  return json ? [toJson(retraining)] : formatRetrainStatus(retraining);
}

const formatFailure = (failure: RunFailure | undefined, name: string): string[] =>
  failure === undefined ? [] : formatRunFailure(failure, name);

const toJson = (value: object): string => JSON.stringify(value, null, 2);
