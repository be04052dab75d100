import { Context } from '@temporalio/activity';
import { CodedError } from './lib/coded-error.ts';
import { requestStop, type JobEnding } from './lib/trainer-process.ts';
import { watchJob, type Watch } from './lib/watch-job.ts';

const neverAborted = new AbortController().signal;

/** Watches a job until it ends and does what a cancellation asks for, whoever it comes from. Call it while beating. */
export async function followJob(watch: Watch): Promise<JobEnding> {
  const { cancellationSignal } = Context.current();
  try {
    return await watchJob(watch, cancellationSignal);
  } catch (error) {
    if (error !== cancellationSignal.reason) throw error;
    await settleCancelledJob(watch);
    // Not the error of a killed child: only this one lets Temporal see a cancellation (docs/decisions/0001).
    throw cancellationSignal.reason;
  }
}

async function settleCancelledJob(watch: Watch): Promise<void> {
  const { owner } = watch.running;
  const why = Context.current().cancellationDetails;
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
  await watchJob(watch, neverAborted);
}

/** After `workflow terminate` nobody will adopt the trainer, so it must be stopped. */
async function isWorkflowClosed(): Promise<boolean> {
  const { client, info } = Context.current();
  if (info.workflowExecution === undefined) return false;
  const { workflowId, runId } = info.workflowExecution;
  const { status } = await client.workflow.getHandle(workflowId, runId).describe();
  return status.name !== 'RUNNING';
}
