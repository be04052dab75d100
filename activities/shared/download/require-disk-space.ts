import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CodedError } from '../errors/coded-error.ts';
import { readDiskSpace } from '../files/free-space.ts';

/**
 * Requires disk space for the missing bytes of a part.
 * @throws CodedError DiskFull
 */
export const requireDiskSpace = async (path: string, totalBytes: number): Promise<void> => {
  const { freeBytes } = await readDiskSpace(dirname(path));
  const neededBytes = totalBytes - (await allocatedBytes(path));
  if (neededBytes <= freeBytes) return;
  const message =
    `Downloading ${path} needs ${neededBytes} more bytes, but its disk has ${freeBytes} free. ` +
    `Free at least ${neededBytes - freeBytes} bytes.`;
  throw new CodedError('DiskFull', message);
};

/** Returns the allocated size. A part that is filled out of order is sparse, so its length is larger. */
const allocatedBytes = async (path: string): Promise<number> => {
  const stats = await stat(path).catch(() => null);
  return stats === null ? 0 : stats.blocks * 512;
};
