import { CodedError, systemErrorCode } from '../errors/coded-error.ts';

/** No space left, on the disk or in the quota. */
export const isDiskFull = (error: unknown): error is Error => {
  const code = systemErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
};

/** Turns "no space left" into DiskFull and hands back every other error as it is. */
export const toDiskFullError = (error: unknown, doing: string): unknown => {
  if (!isDiskFull(error)) return error;
  const code = systemErrorCode(error) ?? '';
  return new CodedError('DiskFull', `No space left (${code}) while ${doing}.`, { cause: error });
};
