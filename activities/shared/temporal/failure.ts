import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { errorCatalogue, type ErrorCode } from '../../../configs/errors.ts';
import { CodedError, errorMessage } from '../errors/coded-error.ts';
import { isDiskFull } from '../files/disk-full.ts';
import { findMkdirCause } from '../files/mkdir-cause.ts';
import { isStorageError } from '../files/storage-error.ts';

/**
 * Converts an error to a Temporal failure. Its type is the code of the error catalogue, which also decides whether
 * Temporal retries. A cancellation passes unchanged; converted, it would turn a canceled run into a failed one.
 * @param details for the workflow.
 */
export function toFailure(error: unknown, details?: unknown): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  // Functions of Node that take the signal of a cancellation throw an AbortError, whose cause is the reason of the signal.
  if (error instanceof Error && error.name === 'AbortError' && error.cause instanceof CancelledFailure)
    return error.cause;
  const coded = toCodedError(error);
  return ApplicationFailure.create({
    message: coded.message,
    type: coded.code,
    nonRetryable: !errorCatalogue[coded.code].retryable,
    details: details === undefined ? undefined : [details],
    cause: coded.cause instanceof Error ? coded.cause : undefined,
  });
}

function toCodedError(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const code: ErrorCode = isDiskFull(error) ? 'DiskFull' : isStorageError(error) ? 'StorageUnavailable' : 'Unexpected';
  return new CodedError(code, errorMessage(error), { cause: error });
}

/** Wraps activities so that each error leaves them as a coded Temporal failure. */
export function withCodedFailures<T extends Record<string, (...args: never[]) => Promise<unknown>>>(activities: T): T {
  const wrap =
    <A extends never[], R>(run: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await run(...args);
      } catch (error) {
        throw toFailure(await findMkdirCause(error));
      }
    };
  // The cast is safe, because `wrap` keeps the signature of each activity.
  return Object.fromEntries(Object.entries(activities).map(([name, run]) => [name, wrap(run)])) as T;
}
