import { Context } from '@temporalio/activity';
import { CodedError } from '../shared/errors/coded-error.ts';
import { requestStop, type JobOutcome } from '../shared/trainer/trainer-process.ts';
import { removeWatcher, writeWatcher, type WatchedTask } from '../shared/trainer/watcher-file.ts';
import { watchJob, type JobWatch } from '../shared/trainer/watch-job.ts';

const neverAborted = new AbortController().signal;

/**
 * Watches a job until it ends and does what a cancellation asks for, whoever it comes from. When the workflow asked for it,
 * the job's ending is returned, so that the workflow learns what was saved. Call it while beating.
 */
export async function followJob(watch: JobWatch): Promise<JobOutcome> {
  const { cancellationSignal, info } = Context.current();
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
  const { cancellationDetails: why, cancellationSignal } = Context.current();
  if (why?.workerShutdown) {
    throw new CodedError('WorkerStopping', `The worker stops; the trainer (pid ${owner.pid}) goes on without it.`);
  }
  const orphaned = why?.notFound === true && (await isWorkflowClosed());
  if ((why?.timedOut || why?.notFound) && !orphaned) {
    throw new CodedError(
      'StaleAttempt',
      `Temporal gave this attempt up; the trainer (pid ${owner.pid}) is left to the next one.`,
    );
  }
  await requestStop(owner);
  const ending = await watchJob(watch, neverAborted);
  if (why?.cancelRequested) return ending;
  // Not the error of a killed child: only this one lets Temporal see a cancellation (docs/decisions/0001).
  throw cancellationSignal.reason;
}

/** After `workflow terminate` nobody will adopt the trainer, so it must be stopped. */
async function isWorkflowClosed(): Promise<boolean> {
  const { client, info } = Context.current();
  if (info.workflowExecution === undefined) return false;
  const { workflowId, runId } = info.workflowExecution;
  const { status } = await client.workflow.getHandle(workflowId, runId).describe();
  return status.name !== 'RUNNING';
}
