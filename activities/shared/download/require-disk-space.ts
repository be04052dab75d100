import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CodedError } from '../errors/coded-error.ts';
import { readDiskSpace } from '../files/free-space.ts';

/** @throws CodedError DiskFull when what the part still lacks has no place on its disk. */
export const requireDiskSpace = async (path: string, totalBytes: number): Promise<void> => {
  const { freeBytes } = await readDiskSpace(dirname(path));
  const neededBytes = totalBytes - (await allocatedBytes(path));
  if (neededBytes <= freeBytes) return;
  const message =
    `Downloading ${path} needs ${neededBytes} more bytes, its disk has ${freeBytes} free: ` +
    `${neededBytes - freeBytes} bytes are missing.`;
  throw new CodedError('DiskFull', message);
};

/** What is taken up already; a part that is filled out of order has holes, which are not. */
const allocatedBytes = async (path: string): Promise<number> => {
  const found = await stat(path).catch(() => null);
  return found === null ? 0 : found.blocks * 512;
};
