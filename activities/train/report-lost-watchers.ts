import { rm } from 'node:fs/promises';
import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode } from '../../configs/errors.ts';
import type { JobFolder } from '../../configs/paths.ts';
import { listRuns } from '../plan/references.ts';
import { listJobs } from '../shared/trainer/host-topology.ts';
import { findLostWatcher, type Watcher } from '../shared/trainer/watcher-file.ts';

/** Client that completes activity tasks by their token. */
export type TaskCompletion = Pick<Context['client']['activity'], 'fail'>;

/**
 * Fails the activity tasks of killed workers on this machine. A worker calls it before it polls for tasks, so that the
 * workflow learns of the loss at once instead of after the heartbeat timeout.
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
    // The server timed the task out earlier.
    if (!(error instanceof Error && error.name === 'ActivityNotFoundError')) throw error;
  }
  await rm(job.watcher, { force: true });
}

function buildWorkerLostFailure({ pid, host }: Watcher): ApplicationFailure {
  const type: ErrorCode = 'WorkerLost';
  return ApplicationFailure.retryable(
    `Worker lost: process ${pid} on ${host}, which watched this job, was killed.`,
    type,
  );
}
