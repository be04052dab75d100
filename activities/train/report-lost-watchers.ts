import { rm } from 'node:fs/promises';
import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode } from '../../configs/errors.ts';
import type { JobFolder } from '../../configs/paths.ts';
import { listRuns } from '../plan/references.ts';
import { listJobs } from '../shared/trainer/host-topology.ts';
import { findLiveJob, requestStop } from '../shared/trainer/trainer-process.ts';
import { findLostWatcher, type Watcher } from '../shared/trainer/watcher-file.ts';

/** Client that completes activity tasks by their token, and finds out whether a workflow is open. */
export interface ReportingClient {
  activity: Pick<Context['client']['activity'], 'fail'>;
  workflow: Pick<Context['client']['workflow'], 'getHandle'>;
}

/**
 * Fails the activity tasks of killed workers on this machine. A worker calls it before it polls for tasks, so that the
 * workflow learns of the loss at once instead of after the heartbeat timeout.
 */
export async function reportLostWatchers(home: string, client: ReportingClient): Promise<void> {
  for (const runId of await listRuns(home)) {
    for (const job of await listJobs(home, runId)) await reportLostWatcher(job, client);
  }
}

async function reportLostWatcher(job: JobFolder, client: ReportingClient): Promise<void> {
  const watcher = await findLostWatcher(job);
  if (watcher === undefined) return;
  try {
    await client.activity.fail(Buffer.from(watcher.taskToken, 'base64'), buildWorkerLostFailure(watcher));
  } catch (error) {
    // The server timed the task out earlier.
    if (!(error instanceof Error && error.name === 'ActivityNotFoundError')) throw error;
    await stopAbandoned(job, watcher, client);
  }
  await rm(job.watcher, { force: true });
}

/** Asks a trainer to save and stop whose workflow has ended: no attempt will adopt it. */
async function stopAbandoned(job: JobFolder, { workflowId }: Watcher, { workflow }: ReportingClient): Promise<void> {
  const live = await findLiveJob(job);
  if (live === undefined) return;
  // A workflow that this server does not know may run on another server.
  const description = await workflow
    .getHandle(workflowId)
    .describe()
    .catch(() => undefined);
  if (description === undefined || description.status.name === 'RUNNING') return;
  console.log(`stopping the trainer of ${job.dir} (pid ${live.owner.pid}): its workflow has ended`);
  await requestStop(live.owner);
}

function buildWorkerLostFailure({ pid, host }: Watcher): ApplicationFailure {
  const type: ErrorCode = 'WorkerLost';
  return ApplicationFailure.retryable(
    `Worker lost: process ${pid} on ${host}, which watched this job, was killed.`,
    type,
  );
}
