import { S3ServiceException } from '@aws-sdk/client-s3';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';

/** What an error of the SDK means for us. */
export type S3Problem =
  /** No such object. */
  | 'absent'
  /** The multipart upload was completed, aborted or never begun. */
  | 'upload-gone'
  /** A condition does not hold: somebody else was first. */
  | 'precondition'
  /** Trying the same once more may help; what was asked for may have been done. */
  | 'passing'
  | 'refused'
  /** Of our own disk: no business of the store. */
  | 'local';

/** Answers below 500 that say nothing about the request itself: cut, damaged or crossed on its way. */
const transientNames = new Set([
  ...['BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody', 'RequestTimeout'],
  ...['OperationAborted', 'ConditionalRequestConflict', 'SlowDown', 'RequestTimeTooSkewed'],
]);

const localCodes = new Set('ENOSPC EDQUOT EROFS EIO EACCES EPERM ENOENT ENOTDIR EISDIR EMFILE'.split(' '));

export function classify(error: unknown): S3Problem {
  const status = statusOf(error);
  const name = error instanceof Error ? error.name : '';
  if (localCodes.has(systemErrorCode(error) ?? '')) return 'local';
  if (name === 'NoSuchUpload') return 'upload-gone';
  if (name === 'NoSuchKey' || name === 'NotFound') return 'absent';
  if (name === 'CredentialsProviderError') return 'refused';
  if (status === 412) return 'precondition';
  const passes = status === undefined || status >= 500 || [408, 409, 429].includes(status) || transientNames.has(name);
  // A 2xx that the SDK could not make sense of was cut on its way.
  return passes || status < 300 ? 'passing' : 'refused';
}

/**
 * What a caller gets to see: with what we asked for and how it was answered, and nothing of the request's headers, which
 * hold its signature. Errors that already say all, and those of our own disk, stay as they are.
 */
export function toStoreError(what: string, error: unknown): Error {
  const problem = classify(error);
  if (error instanceof CodedError || (error instanceof Error && problem === 'local')) return error;
  const code = problem === 'passing' || problem === 'upload-gone' ? 'StoreUnavailable' : 'StoreRefused';
  return new CodedError(code, `${what} failed: ${formatError(error)}.`);
}

function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  return [status, error.name, error.message].filter((part) => part !== undefined && part !== '').join(' ');
}

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
