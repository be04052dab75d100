import { randomUUID } from 'node:crypto';
import {
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { statusQueryName } from '../../configs/names.ts';
import { explainSilence } from './explain-silence.ts';
import { formatEnd, type NamedWorkflow } from './find-workflow.ts';

/** Time for an answer, and the number of times that a command waits for it while a control worker runs. */
const patience = { seconds: 10, tries: 6 };

/** Failure type of the server for an update whose workflow ended first. */
const endedFirst = 'AcceptedUpdateCompletedWorkflow';

/**
 * Queries the status of a workflow. Changes nothing, so it shows whether a worker runs before anything is requested.
 * @throws Error if no control worker runs, or it does not answer within a minute.
 */
export const queryStatus = (client: Client, workflow: NamedWorkflow, limits = patience): Promise<unknown> =>
  withPatience(client, workflow, limits, () => workflow.handle.query(statusQueryName));

interface AcceptedUpdate {
  /** Waits for the result without a time limit, because a trainer may save its checkpoint for minutes. */
  result: () => Promise<unknown>;
}

/**
 * Sends an update to a workflow.
 * @throws Error if the workflow rejects it or has ended, or no control worker accepts it.
 */
export async function sendUpdate(
  client: Client,
  workflow: NamedWorkflow,
  { update, args }: { update: string; args: [] | [unknown] | [unknown, string] },
): Promise<AcceptedUpdate> {
  // The same id for every try, so that the workflow applies it once.
  const options = { updateId: randomUUID(), args: args as [unknown], waitForStage: 'ACCEPTED' } as const;
  const start = () => workflow.handle.startUpdate(update, options);
  const explained = async (error: unknown) => Promise.reject(await explain(workflow, error));
  const accepted = await withPatience(client, workflow, patience, start).catch(explained);
  return {
    result: () =>
      accepted.result().catch((error: unknown) => {
        if (!isUnanswered(error)) return explained(error);
        const message = `The Temporal server no longer responds. ${workflow.name} received the request and continues it. Status: everswin status ${workflow.name}`;
        throw new Error(message, { cause: error });
      }),
  };
}

/** Returns the error that says why a workflow did not accept a request. */
async function explain({ name, handle }: NamedWorkflow, error: unknown): Promise<Error> {
  const isRefused = error instanceof WorkflowUpdateFailedError;
  const hasEnded =
    error instanceof WorkflowNotFoundError ||
    (isRefused && error.cause instanceof ApplicationFailure && error.cause.type === endedFirst);
  if (hasEnded) return new Error(formatEnd({ name, description: await handle.describe() }), { cause: error });
  if (isRefused) return new Error(error.cause?.message ?? error.message, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}

/**
 * Calls a worker. While one runs without an answer, says why and calls again.
 * @throws Error that explains why no worker answered.
 */
async function withPatience<T>(
  client: Client,
  { handle, description: { taskQueue } }: NamedWorkflow,
  { seconds, tries }: typeof patience,
  call: () => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await client.withDeadline(Date.now() + seconds * 1000, call);
    } catch (error) {
      if (!isUnanswered(error)) throw error;
      const { message, isRunning } = await explainSilence({
        handle,
        taskQueue,
        seconds: number * seconds,
      });
      if (!isRunning || number === tries) throw new Error(message, { cause: error });
      if (number === 1) console.error(`${message} Waiting …`);
    }
  }
}

const isUnanswered = (error: unknown): boolean =>
  error instanceof ServiceError || error instanceof WorkflowUpdateRPCTimeoutOrCancelledError;
