import { CodedError, systemErrorCode } from '../../errors/coded-error.ts';
import type { FileVersion } from './file-version.ts';

/** Passes by itself: worth another try at the same source. */
export class TransientError extends CodedError {
  /** What the server asked for in Retry-After. */
  readonly retryAfterMs: number | null;

  constructor(message: string, { cause, retryAfterMs = null }: { cause?: unknown; retryAfterMs?: number | null } = {}) {
    super('DownloadFailed', message, { cause });
    this.retryAfterMs = retryAfterMs;
  }
}

/** The source gives no ranges, or wrong ones; the whole file may still be had. */
export class RangesUnusable extends CodedError {
  constructor(message: string) {
    super('DownloadRefused', message);
  }
}

/** The source holds another version than the one that was begun. */
export class VersionChanged extends CodedError {
  /** Null when the source only says that it is another one. */
  readonly version: FileVersion | null;

  constructor(message: string, version: FileVersion | null) {
    super('SourceChanged', message);
    this.version = version;
  }
}

export const connectionError = (shown: string, error: unknown): CodedError =>
  error instanceof CodedError
    ? error
    : new TransientError(`${shown} broke off: ${formatCauses(error)}.`, { cause: error });

export const stallError = (shown: string, stallMs: number): TransientError =>
  new TransientError(`${shown} stalled: no byte came for ${stallMs} ms.`);

const formatCauses = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  // An AggregateError of several addresses has no message of its own.
  const message = error.message === '' ? (systemErrorCode(error) ?? error.name) : error.message;
  return error.cause === undefined ? message : `${message}: ${formatCauses(error.cause)}`;
};

/** Without what to do next, which is the second line. */
export const firstLine = (error: Error): string => error.message.split('\n')[0] ?? '';
