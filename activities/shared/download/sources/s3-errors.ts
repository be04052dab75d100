import { CodedError } from '../../errors/coded-error.ts';
import { TransientError, RangesUnusable, stallError, VersionChanged } from './source-errors.ts';

/** A server that says nothing for so long is given up. */
const responseTimeoutMs = 60_000;

/** Asks a bucket something that is answered at once. @throws as `nameS3Fault`, or the signal's reason. */
export const withResponseTimeout = async <T>(
  shown: string,
  signal: AbortSignal,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const patience = AbortSignal.timeout(responseTimeoutMs);
  try {
    return await ask(AbortSignal.any([signal, patience]));
  } catch (error) {
    signal.throwIfAborted();
    throw patience.aborted ? stallError(shown, responseTimeoutMs) : toDownloadError(error, shown, false);
  }
};

/** @param wasSeen there was such an object before: one that is gone since then was changed, not misspelt. */
export const toDownloadError = (error: unknown, shown: string, wasSeen: boolean): CodedError => {
  if (error instanceof CodedError) return error;
  const status = statusOf(error);
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const text = `${shown} responded with ${status ?? 'no status'} (${message}).`;
  if (status === 412 || (status === 404 && wasSeen)) return new VersionChanged(text, null);
  if (status === 416) return new RangesUnusable(text);
  const refused = status !== null && status >= 300 && status < 500 && status !== 408 && status !== 429;
  // Without an answer: no network, or no credentials, which no try mends.
  const noCredentials = status === null && error instanceof Error && error.name === 'CredentialsProviderError';
  if (refused || noCredentials) return new CodedError('DownloadRefused', text, { cause: error });
  return new TransientError(text, { cause: error });
};

const statusOf = (error: unknown): number | null => {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return null;
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return null;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : null;
};
