import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { CodedError } from '../shared/errors/coded-error.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import { assertFence, raiseFence } from '../shared/run/fence.ts';
import { ProgressReader } from '../shared/run/progress-reader.ts';
import { hasWorkflowRunEnded } from '../shared/temporal/workflow-run.ts';
import { isAlive } from '../shared/trainer/process-identity.ts';
import { requestStop, type JobOutcome } from '../shared/trainer/trainer-process.ts';
import { watchJob, type JobWatch } from '../shared/trainer/watch-job.ts';
import { removeWatcher, writeWatcher, type WatchedTask } from '../shared/trainer/watcher-file.ts';
import { endOrphans } from './kill-orphans.ts';

/** Time after the signal to the worker within which a stop of the trainer counts as part of the same stop. */
const stopTogetherMs = 2_000;
const pollMs = 50;
/** Time for whatever deletes the folder to finish. */
const deletionMs = 500;
const neverAborted = new AbortController().signal;

interface FollowedJob extends Omit<JobWatch, 'progress'> {
  /** Path of the progress.jsonl whose new events are reported. */
  progressFile: string;
  /** Whether a stop of this worker also stops the job. */
  drains: boolean;
  /** Called when the folder of the job was deleted. The job is then stopped. */
  onFolderLost?: () => void;
}

/**
 * Follows a job until it ends, and handles the cancellation of this activity. If the workflow requested the cancellation,
 * the outcome of the stopped job is returned, so that the workflow learns what was saved. Heartbeat while it runs.
 */
export async function followJob({ progressFile, drains, onFolderLost, ...job }: FollowedJob): Promise<JobOutcome> {
  const { cancellationSignal, info } = Context.current();
  const watch = { ...job, progress: new ProgressReader(progressFile) };
  const task: WatchedTask = {
    taskToken: info.base64TaskToken,
    workflowId: info.workflowExecution?.workflowId ?? '',
    activityId: info.activityId,
  };
  await writeWatcher(watch.job, task);
  const outcome = await watchJob(watch, cancellationSignal).catch((error: unknown) => {
    if (error === cancellationSignal.reason) return handleCancellation(watch, drains);
    if (!(error instanceof CodedError) || error.code !== 'RunFolderLost') throw error;
    onFolderLost?.();
    return saveIntoNewFolder(watch);
  });
  if ('supervisorLost' in outcome) {
    // Ranks save when their supervisor dies. One that hangs would keep its GPUs.
    await endOrphans(watch.job);
    await reportLastEvents(watch);
  }
  // While the job runs, the file tells the worker which workflow it belongs to (stop-abandoned.ts).
  await removeWatcher(watch.job, task);
  return outcome;
}

/** Creates the folder of a running job again, and stops the job, which saves: its files stay open in its processes. */
async function saveIntoNewFolder(watch: JobWatch): Promise<JobOutcome> {
  const { job, fence, running } = watch;
  await sleep(deletionMs);
  await raiseFence(job, fence);
  await writeFileAtomic(job.owner, JSON.stringify(running.owner));
  await requestStop(running.owner);
  return watchJob(watch, neverAborted);
}

async function handleCancellation(watch: JobWatch, drains: boolean): Promise<JobOutcome> {
  const { job, fence } = watch;
  const { owner } = watch.running;
  const { cancellationDetails: details, cancellationSignal } = Context.current();
  if (details?.workerShutdown) {
    if (drains) await requestStop(owner);
    if (drains || (await isStopping(watch))) return watchJob(watch, neverAborted);
    await reportLastEvents(watch);
    throw new CodedError(
      'WorkerStopping',
      `The worker is shutting down. The trainer (pid ${owner.pid}) keeps running.`,
    );
  }
  if (details?.reset) {
    await reportLastEvents(watch);
    throw new CodedError(
      'StaleAttempt',
      `The activity was reset in Temporal. The next attempt adopts the trainer (pid ${owner.pid}).`,
    );
  }
  // After `temporal workflow terminate`, no attempt adopts the trainer, so it must be stopped.
  const orphaned = details?.notFound === true && (await hasWorkflowRunEnded());
  if ((details?.timedOut || details?.notFound) && !orphaned) {
    throw new CodedError(
      'StaleAttempt',
      `Temporal timed out this attempt. The next attempt adopts the trainer (pid ${owner.pid}).`,
    );
  }
  if (orphaned) await assertFence(job, fence); // after a reset, the next attempt may have adopted the trainer
  await requestStop(owner);
  const outcome = await watchJob(watch, neverAborted);
  if (details?.cancelRequested) return outcome;
  // Temporal recognizes a cancellation by this error only, not that of a killed child (docs/explanation/decisions/0001).
  throw cancellationSignal.reason;
}

const reportLastEvents = ({ progress, onEvents }: JobWatch): Promise<void> => progress.readNew(onEvents);

/**
 * Returns whether the job is stopping as well. A stop of the worker often stops the trainer at the same time: Ctrl-C of
 * the stack, systemd, Slurm.
 */
async function isStopping({ job, running }: JobWatch): Promise<boolean> {
  const deadline = performance.now() + stopTogetherMs;
  for (;;) {
    if (existsSync(job.stop) || !(await isAlive(running.owner))) return true;
    if (performance.now() > deadline) return false;
    await sleep(pollMs);
  }
}
