import type { Client } from '@temporalio/client';
import { ownWorkflows, workflowTypes } from '../../configs/names.ts';
import { listFinishedRuns, type ListedRun } from './finished-runs.ts';
import { formatRunTable } from './format-runs.ts';
import { readRunFailure } from './run-failure.ts';
import { attributesOf } from './workflow-state.ts';

const maxRuns = 20;

/**
 * Lists the newest runs, newest first: a table, or all of them as one JSON array. Finished runs of the home that Temporal
 * no longer lists follow at the end.
 */
export async function listRuns(client: Client, home: string, json: boolean): Promise<string[]> {
  const found = await listWorkflows(client);
  const ids = new Set(found.map(({ id }) => id));
  const finished = (await listFinishedRuns(home, maxRuns)).filter(({ id }) => !ids.has(id));
  const runs = [...found, ...finished].slice(0, maxRuns);
  if (json) return [JSON.stringify(runs, null, 2)];
  return runs.length === 0 ? ['There are no runs yet.'] : formatRunTable(runs);
}

async function listWorkflows(client: Client): Promise<ListedRun[]> {
  const types = Object.values(workflowTypes).map((type) => `'${type}'`);
  const found: Promise<ListedRun>[] = [];
  for await (const run of client.workflow.list({
    query: `${ownWorkflows} AND WorkflowType IN (${types.join(', ')})`,
    pageSize: maxRuns,
  })) {
    const { workflowId: id, runId, startTime } = run;
    const status = run.status.name.toLowerCase();
    const listed = { id, status, startedAt: startTime.getTime() / 1000, attributes: attributesOf(run) };
    const handle = client.workflow.getHandle(id, runId);
    // The list is complete without the reason of a run whose history has just expired.
    const failing = readRunFailure(handle, run).catch(() => undefined);
    found.push(failing.then((failure) => (failure === undefined ? listed : { ...listed, failure })));
    if (found.length === maxRuns) break;
  }
  return Promise.all(found);
}
