import { statfs } from 'node:fs/promises';

interface DiskSpace {
  /** Excludes blocks that are reserved for root. */
  freeBytes: number;
  totalBytes: number;
}

/** Reads the space of the file system that holds this path. */
export async function readDiskSpace(path: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
