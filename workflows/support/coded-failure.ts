import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { ErrorCode } from '../../configs/errors.ts';

/** Creates a non-retryable failure of the run: a retry with the same input would end in the same way. */
export const codedFailure = (code: ErrorCode, message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, code);

/** Tells whether an error has this code, either thrown by the workflow or by an activity. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && cause.type === code;
}
