import { ServiceError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { errorCatalogue } from '../../configs/errors.ts';

/**
 * Returns the message that matters to the user. Temporal wraps it in errors that only name the workflow or activity
 * that failed. An error of the catalogue already includes the next step, so its own cause is omitted.
 */
export function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isWrapper(error) && error.cause !== undefined ? formatError(error.cause) : error.message;
}

function isWrapper(error: Error): boolean {
  if (error instanceof ApplicationFailure) return !Object.hasOwn(errorCatalogue, error.type ?? '');
  return error instanceof TemporalFailure || error instanceof WorkflowFailedError || error instanceof ServiceError;
}
