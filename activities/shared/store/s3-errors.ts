import { S3ServiceException } from '@aws-sdk/client-s3';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';

/** Classes of S3 errors that callers handle differently. */
type S3Problem =
  /** The object does not exist. */
  | 'not-found'
  /** The multipart upload was completed, aborted or never created. */
  | 'no-such-upload'
  /** A condition failed: another writer was first. */
  | 'precondition-failed'
  /** A retry may succeed. The request may have been executed. */
  | 'transient'
  | 'refused'
  /** An error of the local disk. */
  | 'local';

/** Errors below status 500 that a retry may fix: damaged transfers, conflicts and throttling. */
const transientNames = new Set([
  ...['BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'IncompleteBody', 'RequestTimeout'],
  ...['OperationAborted', 'ConditionalRequestConflict', 'SlowDown', 'RequestTimeTooSkewed'],
]);

const localCodes = new Set('ENOSPC EDQUOT EROFS EIO EACCES EPERM ENOENT ENOTDIR EISDIR EMFILE'.split(' '));

export function classify(error: unknown): S3Problem {
  const status = statusOf(error);
  const name = error instanceof Error ? error.name : '';
  if (localCodes.has(systemErrorCode(error) ?? '')) return 'local';
  if (name === 'NoSuchUpload') return 'no-such-upload';
  if (name === 'NoSuchKey' || name === 'NotFound') return 'not-found';
  if (name === 'CredentialsProviderError') return 'refused';
  if (status === 412) return 'precondition-failed';
  const isTransient =
    status === undefined || status >= 500 || [408, 409, 429].includes(status) || transientNames.has(name);
  // A 2xx response that the SDK cannot parse was truncated.
  return isTransient || status < 300 ? 'transient' : 'refused';
}

/**
 * Converts an S3 error to one that names the operation and the response. Omits request headers, which contain the signature.
 * Returns coded errors and errors of the local disk unchanged.
 */
export function toStoreError(operation: string, error: unknown): Error {
  const problem = classify(error);
  if (error instanceof CodedError || (error instanceof Error && problem === 'local')) return error;
  const code = problem === 'transient' || problem === 'no-such-upload' ? 'StoreUnavailable' : 'StoreRefused';
  return new CodedError(code, `${operation} failed: ${formatError(error)}.`);
}

function formatError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const status = statusOf(error);
  return [status, error.name, error.message].filter((part) => part !== undefined && part !== '').join(' ');
}

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
