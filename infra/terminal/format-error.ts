import { ApplicationFailure } from '@temporalio/common';
import { errorCatalogue } from '../../configs/errors.ts';

/**
 * What a person should read of an error: Temporal wraps the cause that matters in others that only say that something
 * failed. One of the catalogue says what to do next; what lies below it is for whoever mends the code.
 */
export function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isOfCatalogue = error instanceof ApplicationFailure && Object.hasOwn(errorCatalogue, error.type ?? '');
  return isOfCatalogue || error.cause === undefined ? error.message : formatError(error.cause);
}
