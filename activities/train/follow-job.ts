import { Context } from '@temporalio/activity';
import { CodedError } from '../shared/errors/coded-error.ts';
import { ProgressReader } from '../shared/run/progress-reader.ts';
import { requestStop, type JobOutcome } from '../shared/trainer/trainer-process.ts';
import { watchJob, type JobWatch } from '../shared/trainer/watch-job.ts';
import { removeWatcher, writeWatcher, type WatchedTask } from '../shared/trainer/watcher-file.ts';

const neverAborted = new AbortController().signal;

interface FollowedJob extends Omit<JobWatch, 'progress'> {
  /** Path of the progress.jsonl whose new events are reported. */
  progressFile: string;
}

/**
 * Follows a job until it ends, and handles the cancellation of this activity. If the workflow requested the cancellation,
 * the outcome of the stopped job is returned, so that the workflow learns what was saved. Heartbeat while it runs.
 */
export async function followJob({ progressFile, ...job }: FollowedJob): Promise<JobOutcome> {
  const { cancellationSignal, info } = Context.current();
  const watch = { ...job, progress: new ProgressReader(progressFile) };
  const task: WatchedTask = {
    taskToken: info.base64TaskToken,
    workflowId: info.workflowExecution?.workflowId ?? '',
    activityId: info.activityId,
  };
  await writeWatcher(watch.job, task);
  try {
    return await watchJob(watch, cancellationSignal);
  } catch (error) {
    if (error !== cancellationSignal.reason) throw error;
    return await handleCancellation(watch);
  } finally {
    await removeWatcher(watch.job, task);
  }
}

async function handleCancellation(watch: JobWatch): Promise<JobOutcome> {
  const { owner } = watch.running;
  const { cancellationDetails: details, cancellationSignal } = Context.current();
  if (details?.workerShutdown) {
    throw new CodedError(
      'WorkerStopping',
      `The worker is shutting down. The trainer (pid ${owner.pid}) keeps running.`,
    );
  }
  const orphaned = details?.notFound === true && (await isWorkflowClosed());
  if ((details?.timedOut || details?.notFound) && !orphaned) {
    throw new CodedError(
      'StaleAttempt',
      `Temporal timed out this attempt. The next attempt adopts the trainer (pid ${owner.pid}).`,
    );
  }
  await requestStop(owner);
  const outcome = await watchJob(watch, neverAborted);
  if (details?.cancelRequested) return outcome;
  // Temporal recognizes a cancellation by this error only, not by that of a killed child (docs/decisions/0001).
  throw cancellationSignal.reason;
}

/** After `temporal workflow terminate`, no attempt adopts the trainer, so it must be stopped. */
async function isWorkflowClosed(): Promise<boolean> {
  const { client, info } = Context.current();
  if (info.workflowExecution === undefined) return false;
  const { workflowId, runId } = info.workflowExecution;
  const { status } = await client.workflow.getHandle(workflowId, runId).describe();
  return status.name !== 'RUNNING';
}
