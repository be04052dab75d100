import { CodedError, systemErrorCode } from '../../errors/coded-error.ts';
import type { FileVersion } from './file-version.ts';

/** A transient error: a retry at the same source may succeed. */
export class TransientError extends CodedError {
  /** Value of the Retry-After header. */
  readonly retryAfterMs: number | null;

  constructor(message: string, { cause, retryAfterMs = null }: { cause?: unknown; retryAfterMs?: number | null } = {}) {
    super('DownloadFailed', message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/** The source does not support ranges or sends wrong ones. The complete file may still be available. */
export class RangesUnusable extends CodedError {
  constructor(message: string) {
    super('DownloadRefused', message);
  }
}

/** The file changed at its source. */
export class VersionChanged extends CodedError {
  /** New version; null when the source does not name it. */
  readonly version: FileVersion | null;

  constructor(message: string, version: FileVersion | null) {
    super('SourceChanged', message);
    this.version = version;
  }
}

export const connectionError = (displayUrl: string, error: unknown): CodedError =>
  error instanceof CodedError
    ? error
    : new TransientError(`${displayUrl}: connection failed: ${formatCauses(error)}.`, { cause: error });

export const stallError = (displayUrl: string, stallMs: number): TransientError =>
  new TransientError(`${displayUrl} stalled: no data received for ${stallMs} ms.`);

const formatCauses = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  // An AggregateError of several addresses has no message.
  const message = error.message === '' ? (systemErrorCode(error) ?? error.name) : error.message;
  return error.cause === undefined ? message : `${message}: ${formatCauses(error.cause)}`;
};

/** Returns the message of an error without its next step, which is on the second line. */
export const firstLine = (error: Error): string => error.message.split('\n')[0] ?? '';
