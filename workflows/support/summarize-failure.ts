import { ApplicationFailure, TemporalFailure } from '@temporalio/workflow';

const maxMessageLength = 2000;

/** Returns the code of configs/errors.ts and the message of a failure, without Temporal's wrappers. */
export function summarizeFailure(error: unknown): { code: string; message: string } {
  const cause = error instanceof TemporalFailure && !(error instanceof ApplicationFailure) ? error.cause : undefined;
  if (cause !== undefined) return summarizeFailure(cause);
  const code = error instanceof ApplicationFailure ? (error.type ?? 'Unexpected') : 'Unexpected';
  const message = error instanceof Error ? error.message : String(error);
  return { code, message: message.slice(0, maxMessageLength) };
}
