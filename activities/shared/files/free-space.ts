import { statfs } from 'node:fs/promises';

export interface DiskSpace {
  /** Without what only root may use. */
  freeBytes: number;
  totalBytes: number;
}

/** Of the file system that holds this path. */
export async function readDiskSpace(path: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
