import { CodedError, systemErrorCode } from './coded-error.ts';

/** Turns "no space left" (on the disk or in the quota) into DiskFull and hands back every other error as it is. */
export const nameDiskFull = (error: unknown, doing: string): unknown => {
  const code = systemErrorCode(error);
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new CodedError('DiskFull', `No space left (${code}) while ${doing}.`, { cause: error });
};
