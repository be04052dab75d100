import type { WorkflowHandle } from '@temporalio/client';
import { findWorkflow } from '../client/find-workflow.ts';
import { formatRetrainStatus, queryRetraining } from '../client/follow-retrain.ts';
import { queryRun } from '../client/follow-run.ts';
import { formatSweepStatus, querySweep } from '../client/follow-sweep.ts';
import { listRuns } from '../client/list-runs.ts';
import { queryStatus } from '../client/send-update.ts';
import { withClient } from '../client/with-client.ts';
import { formatRunStatus } from '../terminal/format-run-status.ts';
import { fail } from '../terminal/program.ts';
import { workflowPage } from '../terminal/workflow-page.ts';

interface StatusOptions {
  address?: string | undefined;
  json?: boolean | undefined;
}

/** Shows a run, a sweep or a retraining; without a name, lists the newest runs. */
export async function status(name: string | undefined, { address, json = false }: StatusOptions): Promise<void> {
  await withClient(address, async (client, { stack }) => {
    if (name === undefined) return console.log((await listRuns(client, json)).join('\n'));
    const workflow = await findWorkflow(client, name);
    const { handle } = workflow;
    await queryStatus(client, workflow); // fails soon without a worker, where each query below would wait for 30 s
    const lines = await formatRun(handle, json);
    if (lines === undefined) return fail(`${name} is no training, evaluation, sweep or retraining.`);
    console.log(lines.join('\n'));
    const page = workflowPage(stack, handle.workflowId);
    if (!json && page !== undefined) console.log(`  ${'UI'.padEnd(11)}${page}`);
  });
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

const toJson = (value: object): string => JSON.stringify(value, null, 2);
