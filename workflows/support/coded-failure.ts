import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import type { ErrorCode } from '../../configs/errors.ts';

/** A worker lacks the key of a payload. */
export const unreadableError: ErrorCode = 'PayloadUnreadable';

/** Creates a non-retryable failure of the run: a retry with the same input would end in the same way. */
export const codedFailure = (code: ErrorCode, message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, code);

/** Gives a timeout that outlasted all retries its code; returns other errors unchanged. */
export function withTimeoutCode(error: unknown): unknown {
  if (!(error instanceof ActivityFailure) || !(error.cause instanceof TimeoutFailure)) return error;
  return codedFailure(
    'WorkerLost',
    `${error.activityType} timed out on every try: ${error.cause.message}. Check that its worker runs and is not overloaded. Then start the workflow again; it continues where it stopped.`,
  );
}

/** Returns whether an error of the workflow or of an activity has this code. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && cause.type === code;
}
