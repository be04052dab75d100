import { ServiceError, WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { workflowTypes } from '../../configs/names.ts';
import { RunStatus } from '../../configs/schema/index.ts';
import { findWorkflow, requireRunning, type NamedWorkflow } from '../client/find-workflow.ts';
import { addressArgument } from '../client/run-hints.ts';
import { queryStatus } from '../client/send-update.ts';
import { withClient } from '../client/with-client.ts';
import { formatError } from '../terminal/format-error.ts';
import { untilInterrupted } from '../terminal/wait-for-interrupt.ts';
import { newestCheckpoint } from './control.ts';

/** What a workflow does before it ends, and the command that starts it again. */
const reactions: Record<string, { waiting: string; start: string } | undefined> = {
  [workflowTypes.compareRecipes]: { waiting: 'its trainings save checkpoints first', start: 'sweep' },
  [workflowTypes.retrainDetector]: { waiting: 'a running training saves a checkpoint first', start: 'retrain' },
  [workflowTypes.evaluateDetector]: { waiting: 'its current step stops first', start: 'evaluate' },
};

/** Cancels a workflow and waits until it has ended. A training saves a checkpoint first. */
export async function cancel(typed: string, { address }: { address?: string | undefined }): Promise<void> {
  await withClient(address, async (client, server) => {
    const workflow = await findWorkflow(client, typed);
    requireRunning(workflow);
    const { name, handle, description } = workflow;
    const status = `everswin status ${name}${addressArgument(server)}`;
    // A cancellation needs no worker: the server keeps it until one runs.
    const before = await queryStatus(client, workflow).catch((error: unknown) => formatError(error));
    await handle.cancel();
    if (typeof before === 'string') throw new Error(`The server will cancel ${name} when a worker runs. ${before}`);
    const { data: run } = RunStatus.safeParse(before);
    const { waiting, start } = reactions[description.type] ?? { waiting: waitOfTraining(run), start: 'start' };
    console.error(`Cancelling ${name}: ${waiting} …`);
    const failure = await untilInterrupted(endOf(workflow, status), () =>
      console.error(`The cancellation of ${name} continues without this terminal. Status: ${status}`),
    );
    if (failure === undefined) throw new Error(`${name} completed before the cancellation. Its result: ${status}`);
    if (!(failure.cause instanceof CancelledFailure))
      throw new Error(`${name} ended before the cancellation: ${formatError(failure)}`);
    const after = RunStatus.safeParse(await queryStatus(client, workflow).catch(() => undefined)).data;
    console.log(`Cancelled ${name}${after === undefined ? '' : formatSaved(after)}. Continue: everswin ${start} FILE`);
    const decision = after?.decisions.at(-1);
    if (decision !== undefined) console.log(`Last decision: ${decision.why}.`);
  });
}

/** Waits until a workflow ends. Returns its failure; undefined if it completed. */
async function endOf({ name, handle }: NamedWorkflow, status: string): Promise<WorkflowFailedError | undefined> {
  try {
    await handle.result();
    return undefined;
  } catch (error) {
    if (error instanceof WorkflowFailedError) return error;
    if (!(error instanceof ServiceError)) throw error;
    throw new Error(
      `The Temporal server no longer responds. It recorded the cancellation of ${name} and continues it. Status: ${status}`,
      { cause: error },
    );
  }
}

const waitOfTraining = (run: RunStatus | undefined): string =>
  run === undefined || run.stage === 'training'
    ? 'the trainer saves a checkpoint first'
    : `its current step (${run.stage}) stops first`;

function formatSaved(run: RunStatus): string {
  const iteration = newestCheckpoint(run);
  return iteration === undefined ? ' before its first checkpoint' : `: checkpoint of iteration ${iteration} is safe`;
}
