import type { Client } from '@temporalio/client';
import { workflowId } from '../../configs/names.ts';
import { formatRetrainStatus, queryRetraining } from '../client/follow-retrain.ts';
import { queryRun } from '../client/follow-run.ts';
import { formatSweepStatus, querySweep } from '../client/follow-sweep.ts';
import { listRuns } from '../client/list-runs.ts';
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
    const id = name.includes(':') ? name : workflowId(name);
    const lines = await formatRun(client, id, json);
    if (lines === undefined)
      return fail(`Run ${name} does not exist, or no control worker is running. List the runs: everswin status`);
    console.log(lines.join('\n'));
    const page = workflowPage(stack, id);
    if (!json && page !== undefined) console.log(`  ${'UI'.padEnd(11)}${page}`);
  });
}

async function formatRun(client: Client, id: string, json: boolean): Promise<string[] | undefined> {
  const handle = client.workflow.getHandle(id);
  const run = await queryRun(handle);
  if (run !== undefined) return json ? [toJson(run)] : formatRunStatus(run.status, run.preparation);
  const sweep = await querySweep(handle);
  if (sweep !== undefined) return json ? [toJson(sweep)] : formatSweepStatus(sweep);
  const retraining = await queryRetraining(handle);
  if (retraining === undefined) return undefined;
  return json ? [toJson(retraining)] : formatRetrainStatus(retraining);
}

const toJson = (value: object): string => JSON.stringify(value, null, 2);
