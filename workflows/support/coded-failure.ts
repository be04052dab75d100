import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { ErrorCode } from '../../configs/errors.ts';

/** Creates a non-retryable failure of the run: a retry with the same input would end in the same way. */
export const codedFailure = (code: ErrorCode, message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, code);

/** Returns whether an error of the workflow or of an activity has this code. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return cause instanceof ApplicationFailure && cause.type === code;
}
