import { CodedError, systemErrorCode } from '../errors/coded-error.ts';

/** Checks whether an error means that the disk or the quota is full. */
export const isDiskFull = (error: unknown): error is Error => {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || (error instanceof CodedError && error.code === 'DiskFull');
};

/** Converts "no space left" to DiskFull; returns other errors unchanged. */
export const toDiskFullError = (error: unknown, operation: string): unknown => {
  if (!isDiskFull(error) || error instanceof CodedError) return error;
  const code = systemErrorCode(error) ?? '';
  return new CodedError('DiskFull', `No space left (${code}) while ${operation}.`, { cause: error });
};
