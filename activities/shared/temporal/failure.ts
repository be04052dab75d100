import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { errorCatalogue, type ErrorCode } from '../../../configs/errors.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';

/**
 * The one place where an error becomes a Temporal failure: `type` is the code of the catalogue, which also says
 * whether it is tried again. Cancellation passes through untouched, or Temporal would call a cancelled run failed.
 */
export function toFailure(error: unknown): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  const coded = toCodedError(error);
  return ApplicationFailure.create({
    message: coded.message,
    type: coded.code,
    nonRetryable: !errorCatalogue[coded.code].retryable,
    cause: coded.cause instanceof Error ? coded.cause : undefined,
  });
}

function toCodedError(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const code: ErrorCode = systemErrorCode(error) === 'ENOSPC' ? 'DiskFull' : 'Unexpected';
  return new CodedError(code, error instanceof Error ? error.message : String(error), { cause: error });
}

/** Wraps each activity so that none leaves with a bare error. */
export function withCodedFailures<T extends Record<string, (...args: never[]) => Promise<unknown>>>(activities: T): T {
  const wrap =
    <A extends never[], R>(run: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await run(...args);
      } catch (error) {
        throw toFailure(error);
      }
    };
  // A mapped value keeps its own signature: `wrap` returns what it was given.
  return Object.fromEntries(Object.entries(activities).map(([name, run]) => [name, wrap(run)])) as T;
}
