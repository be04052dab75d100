import type { Client } from '@temporalio/client';
import { workflowTypes } from '../../configs/names.ts';
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import { formatInstant } from '../../activities/shared/summary/format-time.ts';

const maxRuns = 20;

interface ListedRun {
  id: string;
  status: string;
  startedAt: number;
  attributes: Record<string, unknown>;
}

/** Lists the newest runs, newest first: one line each, or all of them as one JSON array. */
export async function listRuns(client: Client, json: boolean): Promise<string[]> {
  const types = Object.values(workflowTypes).map((type) => `'${type}'`);
  const found: ListedRun[] = [];
  for await (const { workflowId: id, status, startTime, typedSearchAttributes } of client.workflow.list({
    query: `WorkflowType IN (${types.join(', ')})`,
    pageSize: maxRuns,
  })) {
    const attributes = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    found.push({ id, status: status.name.toLowerCase(), startedAt: startTime.getTime() / 1000, attributes });
    if (found.length === maxRuns) break;
  }
  if (json) return [JSON.stringify(found, null, 2)];
  return found.length === 0 ? ['There are no runs yet.'] : found.map(formatListedRun);
}

function formatListedRun({ id, status, startedAt, attributes }: ListedRun): string {
  const { Phase: phase, Epoch: epoch, BboxMAP: bbox, SegmMAP: segm } = attributes;
  return [
    formatInstant(startedAt),
    id.padEnd(32),
    status.padEnd(10),
    typeof phase === 'string' ? phase.padEnd(10) : '',
    typeof epoch === 'number' ? `epoch ${epoch}` : '',
    typeof bbox === 'number' ? `bbox AP ${formatPoints(bbox)}` : '',
    typeof segm === 'number' ? `segm AP ${formatPoints(segm)}` : '',
  ]
    .filter((part) => part !== '')
    .join('  ');
}
