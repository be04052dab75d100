import {
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { statusQueryName } from '../../configs/names.ts';
import { formatEnd, type NamedWorkflow } from './find-workflow.ts';

const workerTimeoutSeconds = 10;

const missingWorker = `No control worker answered within ${workerTimeoutSeconds} s. Start one: everswin up. If one is running, its log is .everswin/logs/control-worker.log.`;

/** Failure type of the server for an update whose workflow ended first. */
const endedFirst = 'AcceptedUpdateCompletedWorkflow';

/**
 * Queries the status of a workflow. Changes nothing, so it shows whether a worker runs before anything is requested.
 * @throws Error if no control worker answers within 10 s.
 */
export async function queryStatus(client: Client, { handle }: NamedWorkflow): Promise<unknown> {
  try {
    return await withWorkerTimeout(client, () => handle.query(statusQueryName));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw new Error(missingWorker, { cause: error });
  }
}

interface AcceptedUpdate {
  /** Waits for the result without a time limit, because a trainer may save its checkpoint for minutes. */
  result: () => Promise<unknown>;
}

/**
 * Sends an update to a workflow.
 * @throws Error if the workflow rejects it, has ended, or no control worker accepts it within 10 s.
 */
export async function sendUpdate(
  client: Client,
  workflow: NamedWorkflow,
  { update, args }: { update: string; args: [] | [unknown] | [unknown, string] },
): Promise<AcceptedUpdate> {
  const explained = async <T>(step: Promise<T>, unanswered: string): Promise<T> => {
    try {
      return await step;
    } catch (error) {
      throw new Error(await explain(workflow, error, unanswered), { cause: error });
    }
  };
  const accepted = await explained(
    withWorkerTimeout(client, () =>
      workflow.handle.startUpdate(update, { args: args as [unknown], waitForStage: 'ACCEPTED' }),
    ),
    missingWorker,
  );
  return {
    result: () =>
      explained(
        accepted.result(),
        `The Temporal server no longer responds. ${workflow.name} received the request and continues it. Status: everswin status ${workflow.name}`,
      ),
  };
}

async function explain({ name, handle }: NamedWorkflow, error: unknown, unanswered: string): Promise<string> {
  const isRefused = error instanceof WorkflowUpdateFailedError;
  const hasEnded =
    error instanceof WorkflowNotFoundError ||
    (isRefused && error.cause instanceof ApplicationFailure && error.cause.type === endedFirst);
  if (hasEnded) return formatEnd({ name, description: await handle.describe() });
  if (isRefused) return error.cause?.message ?? error.message;
  if (error instanceof ServiceError || error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return unanswered;
  throw error;
}

const withWorkerTimeout = <T>(client: Client, call: () => Promise<T>): Promise<T> =>
  client.withDeadline(Date.now() + workerTimeoutSeconds * 1000, call);
