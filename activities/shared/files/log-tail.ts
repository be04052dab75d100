import { open } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { ignoreMissing } from './ignore-missing.ts';

/** Temporal truncates failure messages at 4 KiB, so more would never be shown. */
const tailBytes = 4096;

/** Returns the last lines of a job's log, oldest first. */
export async function readLogTail(job: JobFolder, lines: number): Promise<string[]> {
  const file = await ignoreMissing(open(job.log));
  if (file === undefined) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - tailBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, start);
    const completeLines = buffer
      .toString('utf8', 0, bytesRead)
      .split('\n')
      .slice(start > 0 ? 1 : 0);
    return completeLines.filter((line) => line.trim() !== '').slice(-lines);
  } finally {
    await file.close();
  }
}
