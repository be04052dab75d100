import { existsSync } from 'node:fs';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { formatHolders, formatRunOfUser } from '../../activities/shared/trainer/format-gpu-wait.ts';
import { readGpuLeases } from '../../activities/shared/trainer/gpu-leases.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { findFinishedRun } from '../client/finished-runs.ts';
import { findWorkflow, toWorkflowId, type NamedWorkflow } from '../client/find-workflow.ts';
import { formatRetrainStatus, queryRetraining } from '../client/follow-retrain.ts';
import { queryRun } from '../client/follow-run.ts';
import { formatSweepStatus, querySweep } from '../client/follow-sweep.ts';
import { formatListedRun, listRuns } from '../client/list-runs.ts';
import { formatPausedActivities } from '../client/paused-activities.ts';
import { queryStatus } from '../client/send-update.ts';
import { withClient } from '../client/with-client.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { formatError } from '../terminal/format-error.ts';
import { formatRunStatus } from '../terminal/format-run-status.ts';
import { fail } from '../terminal/program.ts';
import { workflowPage } from '../terminal/workflow-page.ts';

const gpuLeasesTimeoutMs = 10_000;

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
    if ('id' in workflow) return console.log(json ? toJson(workflow) : formatListedRun(workflow));
    const { handle } = workflow;
    const failure = await readFailure(workflow);
    const lines = await readStatus(client, workflow, json).catch((error: unknown) => {
      if (failure === undefined) throw error;
      return [`${workflow.name}  ${workflow.description.status.name.toLowerCase()}`]; // it failed before it had a status
    });
    if (lines === undefined) return fail(`${name} is no training, evaluation, sweep or retraining.`);
    console.log(lines.join('\n'));
    const paused = formatPausedActivities(workflow.description);
    if (!json && paused !== undefined && !lines.some((line) => line.includes(paused)))
      console.log(formatLine('waiting', paused));
    if (!json && failure !== undefined)
      console.log(formatLine('reason', failure.replaceAll('\n', `\n${' '.repeat(13)}`)));
    const page = workflowPage(server, handle.workflowId);
    if (!json && page !== undefined) console.log(formatLine('UI', page));
  });
}

/** Formats who holds the GPUs of this machine and who waits for them, in any deployment and of any user. */
async function formatGpuLeases(): Promise<string[]> {
  const { python, gpus } = createDependencies('cpu');
  if (!existsSync(gpus.folder)) return [];
  try {
    const { holders, waiting } = await readGpuLeases(python, gpus.folder, AbortSignal.timeout(gpuLeasesTimeoutMs));
    const queue = waiting.map((one) => `run ${formatRunOfUser(one)} waits for ${one.gpus}`);
    return [...formatHolders(holders), ...queue].map((text) => formatLine('GPUs', text));
  } catch (error) {
    return [formatLine('GPUs', formatError(error))];
  }
}

/** Fails soon without a worker, where each further query would wait for 30 s. */
async function readStatus(client: Client, workflow: NamedWorkflow, json: boolean): Promise<string[] | undefined> {
  await queryStatus(client, workflow);
  return formatRun(workflow.handle, json);
}

/** Returns why a workflow failed or was terminated; undefined for any other workflow. Needs no worker. */
async function readFailure({ handle, description }: NamedWorkflow): Promise<string | undefined> {
  if (!['FAILED', 'TERMINATED', 'TIMED_OUT'].includes(description.status.name)) return undefined;
  return handle.result().then(() => undefined, formatError);
}

async function formatRun(handle: WorkflowHandle, json: boolean): Promise<string[] | undefined> {
  const run = await queryRun(handle);
  if (run !== undefined) return json ? [toJson(run)] : formatRunStatus(run.status, run.preparation);
  const sweep = await querySweep(handle);
  if (sweep !== undefined) return json ? [toJson(sweep)] : formatSweepStatus(sweep);
  const retraining = await queryRetraining(handle);
  if (retraining === undefined) return undefined;
  return json ? [toJson(retraining)] : formatRetrainStatus(retraining);
}

const formatLine = (label: string, text: string): string => `  ${label.padEnd(11)}${text}`;

const toJson = (value: object): string => JSON.stringify(value, null, 2);
