import { CodedError } from '../../errors/coded-error.ts';
import { TransientError, RangesUnusable, stallError, VersionChanged } from './source-errors.ts';

/** Maximum time for a response. */
const responseTimeoutMs = 60_000;

/**
 * Sends a short S3 request with a timeout.
 * @throws the errors of `toDownloadError`, or the signal's reason.
 */
export const withResponseTimeout = async <T>(
  displayUrl: string,
  signal: AbortSignal,
  send: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const timeout = AbortSignal.timeout(responseTimeoutMs);
  try {
    return await send(AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    throw timeout.aborted ? stallError(displayUrl, responseTimeoutMs) : toDownloadError(error, displayUrl, false);
  }
};

/**
 * Converts an S3 error to an error of a download.
 * @param existed whether the object existed before: then 404 means that it changed.
 */
export const toDownloadError = (error: unknown, displayUrl: string, existed: boolean): CodedError => {
  if (error instanceof CodedError) return error;
  const status = statusOf(error);
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const text = `${displayUrl} responded with ${status ?? 'no status'} (${message}).`;
  if (status === 412 || (status === 404 && existed)) return new VersionChanged(text, null);
  if (status === 416) return new RangesUnusable(text);
  const refused = status !== null && status >= 300 && status < 500 && status !== 408 && status !== 429;
  // Without a response, the network or the credentials are missing. A retry does not fix the latter.
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
