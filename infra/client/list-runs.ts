import type { Client } from '@temporalio/client';
import { ownWorkflows, workflowTypes } from '../../configs/names.ts';
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import { formatInstant } from '../../activities/shared/summary/format-time.ts';
import { listFinishedRuns, type ListedRun } from './finished-runs.ts';

const maxRuns = 20;

/**
 * Lists the newest runs, newest first: one line each, or all of them as one JSON array. Finished runs of the home that
 * Temporal no longer lists follow at the end.
 */
export async function listRuns(client: Client, home: string, json: boolean): Promise<string[]> {
  const found = await listWorkflows(client);
  const ids = new Set(found.map(({ id }) => id));
  const finished = (await listFinishedRuns(home, maxRuns)).filter(({ id }) => !ids.has(id));
  const runs = [...found, ...finished].slice(0, maxRuns);
  if (json) return [JSON.stringify(runs, null, 2)];
  return runs.length === 0 ? ['There are no runs yet.'] : runs.map(formatListedRun);
}

async function listWorkflows(client: Client): Promise<ListedRun[]> {
  const types = Object.values(workflowTypes).map((type) => `'${type}'`);
  const found: ListedRun[] = [];
  for await (const { workflowId: id, status, startTime, typedSearchAttributes } of client.workflow.list({
    query: `${ownWorkflows} AND WorkflowType IN (${types.join(', ')})`,
    pageSize: maxRuns,
  })) {
    const attributes = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    found.push({ id, status: status.name.toLowerCase(), startedAt: startTime.getTime() / 1000, attributes });
    if (found.length === maxRuns) break;
  }
  return found;
}

export function formatListedRun({ id, status, startedAt, attributes, report }: ListedRun): string {
  const { Phase: phase, Epoch: epoch, BboxMAP: bbox, SegmMAP: segm } = attributes;
  return [
    formatInstant(startedAt),
    id.padEnd(32),
    status.padEnd(10),
    typeof phase === 'string' ? phase.padEnd(10) : '',
    typeof epoch === 'number' ? `epoch ${epoch}` : '',
    typeof bbox === 'number' ? `bbox AP ${formatPoints(bbox)}` : '',
    typeof segm === 'number' ? `segm AP ${formatPoints(segm)}` : '',
    report ?? '',
  ]
    .filter((part) => part !== '')
    .join('  ');
}
