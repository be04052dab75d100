import { rm } from 'node:fs/promises';
import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode } from '../../configs/errors.ts';
import type { JobFolder } from '../../configs/paths.ts';
import { listRuns } from '../plan/references.ts';
import { listJobs } from '../shared/trainer/host-topology.ts';
import { findLostWatcher, type Watcher } from '../shared/trainer/watcher-file.ts';

/** Of an activity's context: the part of a Client that ends activity tasks of others. */
export type TaskCompletion = Pick<Context['client']['activity'], 'fail'>;

/**
 * A worker that was killed can tell nobody. Its successor on the same machine does it, before it takes any task: so the
 * workflow learns it at once rather than when the heartbeat is overdue.
 */
export async function reportLostWatchers(home: string, client: { activity: TaskCompletion }): Promise<void> {
  for (const runId of await listRuns(home)) {
    for (const job of await listJobs(home, runId)) await reportLostWatcher(job, client.activity);
  }
}

async function reportLostWatcher(job: JobFolder, completion: TaskCompletion): Promise<void> {
  const watcher = await findLostWatcher(job);
  if (watcher === undefined) return;
  try {
    await completion.fail(Buffer.from(watcher.taskToken, 'base64'), buildWorkerLostFailure(watcher));
  } catch (error) {
    // The server gave the task up before: then nobody waits for this word.
    if (!(error instanceof Error && error.name === 'ActivityNotFoundError')) throw error;
  }
  await rm(job.watcher, { force: true });
}

function buildWorkerLostFailure({ pid, host }: Watcher): ApplicationFailure {
  const type: ErrorCode = 'WorkerLost';
  return ApplicationFailure.retryable(`The worker (pid ${pid} on ${host}) that watched this job was killed.`, type);
}
