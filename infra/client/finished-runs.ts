import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { listRunFolders } from '../../activities/pages/runs/list-runs.ts';
import { readJson } from '../../activities/shared/files/json-file.ts';
import { ignoreStorageErrors } from '../../activities/shared/files/storage-error.ts';
import { evaluationId, evaluationRun, workflowId } from '../../configs/names.ts';
import { runFolder } from '../../configs/paths.ts';
import { Report, type RunFailure } from '../../configs/schema/index.ts';

/** A run in the form of `everswin status`. */
export interface ListedRun {
  id: string;
  status: string;
  startedAt: number;
  attributes: Record<string, unknown>;
  /** Page of the report of a run that Temporal no longer lists. */
  report?: string;
  /** Why it failed; absent unless it did. */
  failure?: RunFailure;
}

const FinishedRun = Report.pick({ runId: true, createdAt: true, seconds: true, metrics: true });

/** Lists the newest finished runs of a home by their reports, which outlast the retention of Temporal. */
export async function listFinishedRuns(home: string, limit: number): Promise<ListedRun[]> {
  const newest = (await listRunFolders(home)).filter(({ hasReport }) => hasReport).slice(0, limit);
  const runs = await Promise.all(newest.map(({ runId }) => readFinishedRun(home, runId)));
  return runs.filter((run) => run !== undefined);
}

/** Finds a finished run of a home by its workflow id. */
export async function findFinishedRun(home: string, id: string): Promise<ListedRun | undefined> {
  const run = (await listRunFolders(home)).find(({ runId, hasReport }) => hasReport && workflowIdOf(runId) === id);
  return run && readFinishedRun(home, run.runId);
}

/** Finds a finished run of a home that Temporal no longer has. */
export async function findDroppedRun({ workflow }: Client, home: string, id: string): Promise<ListedRun | undefined> {
  const finished = await findFinishedRun(home, id);
  if (finished === undefined) return undefined;
  try {
    await workflow.getHandle(id).describe();
    return undefined;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return finished;
    throw error;
  }
}

async function readFinishedRun(home: string, runId: string): Promise<ListedRun | undefined> {
  const { report } = runFolder(home, runId);
  const finished = await ignoreStorageErrors(readJson(`${report}/report.json`, FinishedRun), undefined);
  if (finished === undefined) return undefined;
  const { createdAt, seconds, metrics } = finished;
  return {
    id: workflowIdOf(runId),
    status: 'completed',
    startedAt: createdAt - seconds.total,
    attributes: { Phase: 'done', BboxMAP: metrics.bbox.AP, SegmMAP: metrics.segm.AP },
    report: `${report}/index.html`,
  };
}

function workflowIdOf(runId: string): string {
  const suffix = evaluationRun('');
  return runId.endsWith(suffix) ? evaluationId(runId.slice(0, -suffix.length)) : workflowId(runId);
}
