import { ApplicationFailure, TemporalFailure } from '@temporalio/workflow';

const maxMessageLength = 2000;

/** Returns the code of configs/errors.ts and the message of a failure, without Temporal's wrappers. */
export function summarizeFailure(error: unknown): { code: string; message: string } {
  const { type, message } = findApplicationFailure(error);
  return { code: type ?? 'Unexpected', message: message.slice(0, maxMessageLength) };
}

/** Returns the failure inside Temporal's wrappers, or what is known of an error of another kind. */
export function findApplicationFailure(error: unknown): Partial<ApplicationFailure> & { message: string } {
  if (error instanceof ApplicationFailure) return error;
  const cause = error instanceof TemporalFailure ? error.cause : undefined;
  if (cause !== undefined) return findApplicationFailure(cause);
  return { message: error instanceof Error ? error.message : String(error) };
}
