import { rm } from 'node:fs/promises';
import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode } from '../../configs/errors.ts';
import { runFolder, type JobFolder } from '../../configs/paths.ts';
import { TrainerExit, TrainerOwner, type LastDetails } from '../../configs/schema/index.ts';
import { readJson } from '../shared/files/json-file.ts';
import { currentFence } from '../shared/run/fence.ts';
import { ProgressReader } from '../shared/run/progress-reader.ts';
import { findLiveJob } from '../shared/trainer/trainer-process.ts';
import { findLostWatcher, type Watcher } from '../shared/trainer/watcher-file.ts';
import { AttemptProgress } from './attempt-progress.ts';
import { forEachJob } from './for-each-job.ts';

/** Client that completes activity tasks by their token. */
export interface ReportingClient {
  activity: Pick<Context['client']['activity'], 'fail'>;
}

/**
 * Fails the activity tasks of killed workers on this machine. A worker calls it before it polls for tasks, so that the
 * workflow learns of the loss at once instead of after the heartbeat timeout.
 */
export async function reportLostWatchers(home: string, client: ReportingClient): Promise<void> {
  await forEachJob(home, (job, runId) => reportLostWatcher(job, runFolder(home, runId).train.progress, client));
}

/** @param progressFile of the run; all hosts share it. */
async function reportLostWatcher(job: JobFolder, progressFile: string, client: ReportingClient): Promise<void> {
  const watcher = await findLostWatcher(job);
  if (watcher === undefined) return;
  try {
    const details = await readLastDetails(job, progressFile);
    await client.activity.fail(Buffer.from(watcher.taskToken, 'base64'), buildWorkerLostFailure(watcher, details));
  } catch (error) {
    // The server timed the task out earlier.
    if (!(error instanceof Error && error.name === 'ActivityNotFoundError')) throw error;
  }
  if ((await findLiveJob(job)) === undefined) await rm(job.watcher, { force: true });
}

/** Reads what the killed worker would have reported about its trainer; undefined if that never started. */
async function readLastDetails(job: JobFolder, progressFile: string): Promise<LastDetails | undefined> {
  const owner = await readJson(job.owner, TrainerOwner);
  if (owner === undefined) return undefined;
  const fence = await currentFence(job);
  // Only the attempt knows since when its workflow counts the time, so the next one reports it.
  const progress = new AttemptProgress({ attempt: owner.attempt, control: { epochs: 0 }, since: Infinity });
  progress.followTrainer({ owner, adopted: owner.fence !== fence }, fence);
  await new ProgressReader(progressFile).readNew((events) => progress.apply(events));
  const { watched } = progress;
  const exit = await readJson(job.exit, TrainerExit);
  if (exit?.fence !== owner.fence || exit.reason !== 'preempted') return { watched };
  return { watched, outcome: 'preempted', trainerEndedAt: exit.endedAt };
}

function buildWorkerLostFailure({ pid, host }: Watcher, details: LastDetails | undefined): ApplicationFailure {
  const type: ErrorCode = 'WorkerLost';
  const also = details?.outcome === 'preempted' ? ' Its trainer received SIGTERM and stopped.' : '';
  return ApplicationFailure.create({
    message: `Worker lost: process ${pid} on ${host}, which watched this job, was killed.${also}`,
    type,
    details: details === undefined ? undefined : [details],
  });
}
