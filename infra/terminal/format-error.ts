import { isGrpcServiceError, ServiceError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { errorCatalogue } from '../../configs/errors.ts';
import { formatLoad } from './format-load.ts';

/**
 * Returns the message that matters to the user. Temporal wraps it in errors that only name the workflow or activity
 * that failed. An error of the catalogue already includes the next step, so its own cause is omitted.
 */
export function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (isGrpcServiceError(error)) return formatGrpcError(error);
  if (error instanceof ServiceError && isGrpcServiceError(error.cause)) return formatGrpcError(error.cause);
  return isWrapper(error) && error.cause !== undefined ? formatError(error.cause) : error.message;
}

function isWrapper(error: Error): boolean {
  if (error instanceof ApplicationFailure) return !Object.hasOwn(errorCatalogue, error.type ?? '');
  return error instanceof TemporalFailure || error instanceof WorkflowFailedError || error instanceof ServiceError;
}

/** Status codes of gRPC. */
const [deadlineExceeded, resourceExhausted, unavailable] = [4, 8, 14];

function formatGrpcError({ code, details }: { code: number; details: string }): string {
  if (code === resourceExhausted)
    return `The Temporal server accepts no more requests for now (${details}). Try again in a minute.`;
  if (code !== deadlineExceeded && code !== unavailable) return details;
  const load = formatLoad();
  return `The Temporal server does not answer${load === undefined ? '' : `: ${load}`} (${details}). Runs continue when it answers. Try again.`;
}
