import { WorkflowFailedError, type WorkflowExecutionInfo, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { explainError } from '../../activities/shared/summary/run-failure.ts';
import { RunFailure } from '../../configs/schema/index.ts';

const codes: Partial<Record<WorkflowExecutionInfo['status']['name'], string>> = {
  FAILED: 'Unexpected',
  TERMINATED: 'Terminated',
  TIMED_OUT: 'TimedOut',
};

/** Explains why a workflow failed or was terminated; undefined for any other one. Needs no worker: the server knows. */
export async function readRunFailure(
  handle: WorkflowHandle,
  { status, closeTime }: Pick<WorkflowExecutionInfo, 'status' | 'closeTime'>,
): Promise<RunFailure | undefined> {
  const code = codes[status.name];
  if (code === undefined) return undefined;
  const at = (closeTime?.getTime() ?? 0) / 1000;
  return handle.result().then(
    () => undefined,
    (error: unknown) => {
      if (!(error instanceof WorkflowFailedError)) throw error;
      return explainEnd(error.cause, code, at);
    },
  );
}

/** Reads the explanation that the workflow gave, or derives one from the message, as for workflows of earlier versions. */
function explainEnd(error: Error | undefined, code: string, at: number): RunFailure {
  if (error instanceof ApplicationFailure) {
    const told = RunFailure.safeParse(error.details?.[0]).data;
    return (
      told ?? { v: 1, at, stage: null, code: error.type ?? code, ...explainError(error.type ?? code, error.message) }
    );
  }
  if (error instanceof TemporalFailure && error.cause !== undefined) return explainEnd(error.cause, code, at);
  const cause = error?.message ?? 'unknown';
  return { v: 1, at, stage: null, code, class: null, cause, evidence: [], remedy: restart, logTail: [] };
}

const restart = 'Start it again under the same name. A training resumes from its newest checkpoint.';
