import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { ErrorCode } from '../../configs/errors.ts';

const unreadable: ErrorCode = 'PayloadUnreadable';

/** Formats which activities wait because a worker lacks the key of their input; undefined if none does. */
export function formatKeylessWorkers({ raw }: WorkflowExecutionDescription): string | undefined {
  const waiting = (raw.pendingActivities ?? []).find(
    ({ lastFailure }) => lastFailure?.applicationFailureInfo?.type === unreadable,
  );
  if (waiting === undefined) return undefined;
  const { activityType, lastWorkerIdentity, lastFailure } = waiting;
  return `${activityType?.name} waits: the worker ${lastWorkerIdentity} lacks a key. ${lastFailure?.message}`;
}
